// Compiles the AssemblyScript kernels into base64 modules, or with --check compares these with what would be
// written.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileAssembly } from './compile-assembly.js';

const ROOT = join(import.meta.dirname, '..', '..');

/** Where a module begins, where it is embedded, and under which name. */
const MODULES = [
  {
    entry: 'src/tfjs/kernels/assembly/training.ts',
    output: 'src/tfjs/kernels/training-wasm.ts',
    name: 'TRAINING_WASM',
    what: 'The training kernels',
  },
  {
    entry: 'src/tfjs/kernels/assembly/patching.ts',
    output: 'src/apply/fast/patching-wasm.ts',
    name: 'PATCHING_WASM',
    what: 'The patching kernels',
  },
  {
    entry: 'src/tfjs/kernels/assembly/decoding.ts',
    output: 'src/apply/fast/decoding-wasm.ts',
    name: 'DECODING_WASM',
    what: 'The decoding kernels',
  },
];

function embed({ entry, name, what }: (typeof MODULES)[number], binary: Uint8Array): string {
  return [
    `// Written by \`npm run generate -- assembly\` from ${entry}; not to be edited.`,
    '',
    `/** ${what}: a WebAssembly module of ${binary.length} bytes, in base64. */`,
    `export const ${name} =\n  '${Buffer.from(binary).toString('base64')}';`,
    '',
  ].join('\n');
}

const isCheck = process.argv.includes('--check');
for (const module of MODULES) {
  const binary = await compileAssembly(module.entry);
  const text = embed(module, binary);
  const output = join(ROOT, module.output);
  if (!isCheck) writeFileSync(output, text);
  else if (readFileSync(output, 'utf8') !== text) {
    process.stderr.write(
      `${module.output} is not what its source compiles to: run "npm run generate -- assembly"\n`,
    );
    process.exitCode = 1;
  }
  process.stderr.write(`${module.output}: ${binary.length} bytes\n`);
}
