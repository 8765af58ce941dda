// Bundles what devices need into one ES module, for pages without a bundler and for Deno and Bun.

import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { ROOT } from './root.js';

/** Path of the module from the project's root. */
export const DEVICE_FILE = 'dist/device/neural-diff-device.min.js';

/** What the module exports: of the package's root, all but the readers of containers. */
const CONTENTS = `
export { copyModel, decodePayload, fingerprint, NeuralDiffError, openLayersStore, openMemoryFiles, openMemoryStore,
  openPayload, readDiff } from './dist/src/index.js';
export * from './dist/src/entries/apply.js';
export * from './dist/src/entries/fast-apply.js';
export * from './dist/src/entries/storage.js';
export * from './dist/src/entries/updater.js';
`;

/** The module and what pages name it by. */
export interface DeviceFile {
  readonly bytes: Uint8Array;
  /** For `integrity` in HTML: https://www.w3.org/TR/SRI/ */
  readonly integrity: string;
}

/** Bundles the build in `dist`; the same build gives the same bytes. */
export async function bundleDeviceFile(): Promise<DeviceFile> {
  const { outputFiles } = await build({
    stdin: { contents: CONTENTS, resolveDir: ROOT },
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    legalComments: 'none',
    logLevel: 'error',
  });
  const bytes = (outputFiles[0] as { contents: Uint8Array }).contents;
  return { bytes, integrity: `sha384-${createHash('sha384').update(bytes).digest('base64')}` };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { bytes } = await bundleDeviceFile();
  mkdirSync(dirname(join(ROOT, DEVICE_FILE)), { recursive: true });
  writeFileSync(join(ROOT, DEVICE_FILE), bytes);
}
