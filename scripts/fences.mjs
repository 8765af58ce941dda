// Takes the TypeScript fences out of the documents, so that they are compiled against the package's own types.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const OUT = '.cache/fences';

/** Names that snippets may use without saying where they come from. */
const AMBIENT = `import type * as tfTypes from '@tensorflow/tfjs';
declare global {
  const model: tfTypes.LayersModel;
  const train: { xs: tfTypes.Tensor; ys: tfTypes.Tensor };
  const validation: { xs: tfTypes.Tensor; ys: tfTypes.Tensor };
  const payload: Uint8Array;
}
`;

/** Writes one file a fence; throws when the documents have none. */
export function extractFences() {
  rmSync(OUT, { recursive: true, force: true });
  mkdirSync(OUT, { recursive: true });
  const documents = [
    'README.md',
    ...readdirSync('docs', { recursive: true }).map((name) => join('docs', name)),
    ...readdirSync('examples').map((name) => join('examples', name, 'README.md')),
  ].filter((path) => path.endsWith('.md'));
  let count = 0;
  for (const path of documents) {
    for (const [, code] of readFileSync(path, 'utf8').matchAll(/^```ts\n([\s\S]*?)^```/gm)) {
      writeFileSync(join(OUT, `${path.replaceAll(/[/\\.]/g, '-')}-${++count}.ts`), `${code}\nexport {};\n`);
    }
  }
  if (count === 0) throw new Error('The documents have no TypeScript fences');
  writeFileSync(join(OUT, 'ambient.d.ts'), AMBIENT);
  const settings = {
    extends: '../../tsconfig.test.json',
    include: ['*.ts'],
    compilerOptions: { noUnusedLocals: false },
  };
  writeFileSync(join(OUT, 'tsconfig.json'), JSON.stringify(settings));
}
