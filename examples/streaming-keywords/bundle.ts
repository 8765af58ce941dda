import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { SCRIPT_OPTIONS } from '../common/script-options.js';

/** What is not compiled lies in the sources, seen from the build. */
const SOURCES = join(import.meta.dirname, '..', '..', '..', 'examples', 'streaming-keywords');

/**
 * Writes the page into a folder: its document, its style, and scripts of the page, its worker, and what takes
 * sound from the audio thread. It runs from the build.
 *
 * @param root metadata that the worker trusts
 */
export async function bundlePage(folder: string, root: Uint8Array): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of ['index.html', 'style.css']) await copyFile(join(SOURCES, name), join(folder, name));
  await build({
    ...SCRIPT_OPTIONS,
    entryPoints: ['page.js', 'worker.js', 'tap.js'].map((name) => join(import.meta.dirname, name)),
    outdir: folder,
    define: { ROOT_METADATA: JSON.stringify(new TextDecoder().decode(root)) },
  });
}
