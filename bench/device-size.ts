import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { printBench } from './report.js';

/** Minified and gzipped bytes that the device kit may take. */
const KIT_BUDGET = 15_000;

/** What a device bundles, each as the code that would be in its program. */
const ENTRIES = [
  { name: 'device kit', code: "export * from 'neural-diff/apply'" },
  {
    name: 'apply to a model folder',
    code: "export { applyPayload, openLayersStore } from 'neural-diff/apply'",
  },
  {
    name: 'device kit with fast-apply',
    code: "export * from 'neural-diff/apply'; export { createPatcher } from 'neural-diff/fast-apply'",
  },
  {
    name: 'device kit with storage in browsers',
    code: "export * from 'neural-diff/apply'; export * from 'neural-diff/storage'; export * from 'neural-diff/browser'",
  },
  { name: 'of which xxhash-wasm', code: "export { default } from 'xxhash-wasm'" },
];

async function bundle(code: string): Promise<{ minifiedBytes: number; gzipBytes: number }> {
  const result = await build({
    stdin: { contents: code, resolveDir: join(import.meta.dirname, '..', '..') },
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    legalComments: 'none',
  });
  const bytes = (result.outputFiles[0] as { contents: Uint8Array }).contents;
  return { minifiedBytes: bytes.length, gzipBytes: gzipSync(bytes, { level: 9 }).length };
}

const start = performance.now();
const rows = [];
for (const { name, code } of ENTRIES) rows.push({ bundle: name, ...(await bundle(code)) });
const kitBytes = (rows[0] as { gzipBytes: number }).gzipBytes;
printBench({
  bench: 'device-size',
  seconds: (performance.now() - start) / 1000,
  rows,
  goals: [{ id: 'size.kit-bytes', value: kitBytes, goal: KIT_BUDGET, better: 'lower' }],
});
if (kitBytes > KIT_BUDGET) process.exitCode = 1;
