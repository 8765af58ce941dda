// Bytes of what devices load, minified and with gzip, and the budgets that they must keep.

import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { bundleDeviceFile, DEVICE_FILE } from '../scripts/device-file.js';
import { printBench } from './common/report.js';

/** Minified and gzipped bytes that the device kit may take. */
const KIT_BUDGET = 24_100;

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
const UPDATER_BUDGET = 52_500;

const UPDATER = 'updater in browsers, with all of these';

/** What a device bundles, each as the code that would be in its program. */
const STORES = "export { fingerprint, openLayersStore, openMemoryFiles, openMemoryStore } from 'neural-diff'";
const KIT = `export * from 'neural-diff/apply'; ${STORES}`;
const STORAGE = `${KIT};
  export { filesOnDisk, installSlots, openIndexedDbDisk, openInPlace, openOpfsDisk, openSlots } from 'neural-diff/storage'`;
const FOLLOW = `${STORAGE};
  export { createUpdater, listTargets, openHttpSource, verifyRelease } from 'neural-diff/updater'`;
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
  { name: 'device kit with storage in browsers', code: STORAGE },
  { name: UPDATER, code: FOLLOW, external: ['@noble/ed25519'] },
  {
    name: 'the same in a worker',
    code: `${FOLLOW}; export { serveUpdater } from 'neural-diff/updater'`,
    external: ['@noble/ed25519'],
  },
  { name: 'page of such a worker', code: "export { connectUpdater } from 'neural-diff/updater'" },
  ...Object.entries({
    'XXH64 without WebAssembly': 'payload/plain-xxh64',
    'SHA-256 without WebCrypto': 'model/sha256-stream',
    'ECDSA without WebCrypto': 'release/noble-ecdsa',
  }).map(([name, module]) => ({ name: `later: ${name}`, code: `export * from './dist/src/${module}.js'` })),
  { name: 'of which xxhash-wasm', code: "export { default } from 'xxhash-wasm'" },
];

/** What a bundle weighs: what a page loads at once, and chunks for later, whether or not it uses them. */
type Sizes = {
  readonly minifiedBytes: number;
  readonly gzipBytes: number;
  readonly laterGzipBytes: number;
};

async function bundle({ code, external = [] }: Entry): Promise<Sizes> {
  const { metafile, outputFiles } = await build({
    stdin: { contents: code, resolveDir: join(import.meta.dirname, '..', '..'), sourcefile: 'entry.js' },
    bundle: true,
    external,
    minify: true,
    write: false,
    metafile: true,
    splitting: true,
    outdir: 'out',
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    legalComments: 'none',
  });
  const { outputs } = metafile;
  const atOnce = new Set(Object.keys(outputs).filter((path) => outputs[path]!.entryPoint === 'entry.js'));
  for (const path of atOnce) {
    for (const { path: imported, kind } of outputs[path]!.imports) {
      if (kind === 'import-statement' && outputs[imported]) atOnce.add(imported);
    }
  }
  if (atOnce.size === 0) throw new Error('Cannot measure the bundle: esbuild names no entry');
  const isAtOnce = ({ path }: { path: string }) => [...atOnce].some((known) => path.endsWith(known));
  const gzip = (files: readonly { contents: Uint8Array }[]) =>
    gzipSync(Buffer.concat(files.map(({ contents }) => contents)), { level: 9 }).length;
  const first = outputFiles.filter(isAtOnce);
  const later = outputFiles.filter((file) => !isAtOnce(file));
  return {
    minifiedBytes: first.reduce((sum, { contents }) => sum + contents.length, 0),
    gzipBytes: gzip(first),
    laterGzipBytes: later.length > 0 ? gzip(later) : 0,
  };
}

const start = performance.now();
const rows: (Sizes & { bundle: string; integrity?: string })[] = [];
for (const entry of ENTRIES) rows.push({ bundle: entry.name, ...(await bundle(entry)) });
const file = await bundleDeviceFile();
const { integrity } = file;
const gzipBytes = gzipSync(file.bytes, { level: 9 }).length;
rows.push({ bundle: DEVICE_FILE, minifiedBytes: file.bytes.length, gzipBytes, laterGzipBytes: 0, integrity });
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
