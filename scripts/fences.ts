// Writes the TypeScript fences of documents and the examples of docstrings as files, to be compiled against
// the package's types.

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readExamples } from './examples.js';

const OUT = '.cache/fences';

/** Names that snippets may use without declaring them. */
const AMBIENT = `import type * as tfTypes from '@tensorflow/tfjs';
declare global {
  const model: tfTypes.LayersModel;
  const train: { xs: tfTypes.Tensor; ys: tfTypes.Tensor };
  const validation: { xs: tfTypes.Tensor; ys: tfTypes.Tensor };
  const payload: Uint8Array;
}
`;

/** @returns the code of each fence, by a file name */
function readFences(): [string, string][] {
  const documents = [
    'README.md',
    ...readdirSync('docs', { recursive: true, encoding: 'utf8' }).map((name) => join('docs', name)),
    ...readdirSync('examples', { recursive: true, encoding: 'utf8' }).map((name) => join('examples', name)),
  ].filter((path) => path.endsWith('.md') && !path.includes('node_modules'));
  return documents.flatMap((path) =>
    [...readFileSync(path, 'utf8').matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(
      ([, code], i): [string, string] => [`${path.replaceAll(/[/\\.]/g, '-')}-${i + 1}`, code as string],
    ),
  );
}

const fences = readFences();
const examples = readExamples().map(({ name, module }): [string, string] => [`example-${name}`, module]);
if (fences.length === 0 || examples.length === 0) throw new Error('Expected fences and examples, found none');
rmSync(OUT, { recursive: true, force: true });
mkdirSync(OUT, { recursive: true });
for (const [name, code] of [...fences, ...examples])
  writeFileSync(join(OUT, `${name}.ts`), `${code}\nexport {};\n`);
writeFileSync(join(OUT, 'ambient.d.ts'), AMBIENT);
const settings = {
  extends: '../../tsconfig.test.json',
  include: ['*.ts'],
  compilerOptions: {
    noUnusedLocals: false,
    paths: {
      'neural-diff': ['../../src/index.ts'],
      'neural-diff/*': ['../../src/entries/*.ts'],
      // Not installed: what the tests have in its place.
      'expo-file-system': ['../../test/storage/expo-file-system.ts'],
    },
  },
};
writeFileSync(join(OUT, 'tsconfig.json'), JSON.stringify(settings));
