// Runs a bench by its name: npm run -s bench -- NAME [flags]. Every file in bench/ is a bench.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DIST, runNamed } from './run-named.js';

const files = readdirSync(join(DIST, '..', 'bench')).filter((file) => file.endsWith('.ts'));
const names = files.map((file) => file.replace('.ts', ''));
const programs = Object.fromEntries(names.map((name) => [name, `bench/${name}.js`]));

await runNamed({ script: 'bench', programs });
