import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { bundleDeviceFile, DEVICE_FILE } from '../scripts/device-file.js';
import { printBench } from './common/report.js';

/** Minified and gzipped bytes that the device kit may take. */
const KIT_BUDGET = 26_400;

/** A bundle to measure. */
interface Entry {
  readonly name: string;
  readonly code: string;
  /** Packages that are counted on a line of their own. */
  readonly external?: string[];
}

/** The same for verifying releases, without the fall-back for runtimes that lack Ed25519. */
const RELEASE_BUDGET = 10_000;

/** Everything that a browser needs to follow a repository. */
const UPDATER_BUDGET = 49_000;

const UPDATER = 'updater in browsers, with all of these';

/** What a device bundles, each as the code that would be in its program. */
const STORES = "export { fingerprint, openLayersStore, openMemoryFiles, openMemoryStore } from 'neural-diff'";
const KIT = `export * from 'neural-diff/apply'; ${STORES}`;
const ENTRIES: readonly Entry[] = [
  { name: 'device kit', code: KIT },
  {
    name: 'apply to a model folder',
    code: "export { applyPayload } from 'neural-diff/apply'; export { openLayersStore } from 'neural-diff'",
  },
  {
    name: 'device kit with fast-apply',
    code: `${KIT}; export { createPatcher } from 'neural-diff/fast-apply'`,
  },
  {
    name: 'signed releases',
    code: "export { verifyRelease } from 'neural-diff/updater'",
    external: ['@noble/ed25519'],
  },
  { name: 'of which @noble/ed25519', code: "export { verifyAsync } from '@noble/ed25519'" },
  { name: 'device kit with storage in browsers', code: `${KIT}; export * from 'neural-diff/storage'` },
  {
    name: UPDATER,
    code: `${KIT}; export * from 'neural-diff/storage'; export * from 'neural-diff/updater'`,
    external: ['@noble/ed25519'],
  },
  { name: 'of which xxhash-wasm', code: "export { default } from 'xxhash-wasm'" },
];

async function bundle({ code, external = [] }: Entry): Promise<{ minifiedBytes: number; gzipBytes: number }> {
  const result = await build({
    stdin: { contents: code, resolveDir: join(import.meta.dirname, '..', '..') },
    bundle: true,
    external,
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
const rows: (Awaited<ReturnType<typeof bundle>> & { bundle: string; integrity?: string })[] = [];
for (const entry of ENTRIES) rows.push({ bundle: entry.name, ...(await bundle(entry)) });
const file = await bundleDeviceFile();
const { integrity } = file;
const gzipBytes = gzipSync(file.bytes, { level: 9 }).length;
rows.push({ bundle: DEVICE_FILE, minifiedBytes: file.bytes.length, gzipBytes, integrity });
const bytesOf = (name: string) => rows.find(({ bundle }) => bundle === name)!.gzipBytes;
const goals = [
  { id: 'size.kit-bytes', value: bytesOf('device kit'), goal: KIT_BUDGET, better: 'lower' },
  { id: 'size.release-bytes', value: bytesOf('signed releases'), goal: RELEASE_BUDGET, better: 'lower' },
  { id: 'size.updater-bytes', value: bytesOf(UPDATER), goal: UPDATER_BUDGET, better: 'lower' },
] as const;
printBench({
  bench: 'device-size',
  seconds: (performance.now() - start) / 1000,
  rows,
  goals,
});
process.stderr.write(`\n${DEVICE_FILE}\nintegrity="${integrity}"\n`);
if (goals.some(({ value, goal }) => value > goal)) process.exitCode = 1;
