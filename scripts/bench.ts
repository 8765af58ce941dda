// Runs a bench by its name: npm run -s bench -- NAME [flags]. Every file in bench/ is a bench.

import { join } from 'node:path';
import { describeBench, listBenches, readBenches } from './bench-help.js';
import { DIST, runNamed } from './run-named.js';

const benches = readBenches(join(DIST, '..', 'bench'));
const [first, ...flags] = process.argv.slice(2);
const isHelp = (flag: string | undefined): boolean => flag === '--help' || flag === '-h';
const asked = benches.find(({ name, isOwn }) => name === first && !isOwn && flags.some(isHelp));
if (isHelp(first)) process.stdout.write(listBenches(benches));
else if (asked) process.stdout.write(describeBench(asked));
else {
  const programs = Object.fromEntries(benches.map(({ name }) => [name, `bench/${name}.js`]));
  await runNamed({ script: 'bench', programs });
}
