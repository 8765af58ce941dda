import { copyFile, mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';

/** The project's folder, whether this module runs from the sources or from the build. */
const ROOT = dirname(createRequire(import.meta.url).resolve('neural-diff/package.json'));
const EXAMPLE = join('examples', 'browser-update');

/**
 * Writes the page into a folder: its document, its style, and all of its program in one script. `npm run build`
 * must have compiled it.
 *
 * @param root metadata that the page trusts
 */
export async function bundlePage(folder: string, root: Uint8Array): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of ['index.html', 'style.css'])
    await copyFile(join(ROOT, EXAMPLE, name), join(folder, name));
  await build({
    entryPoints: [join(ROOT, 'dist', EXAMPLE, 'page.js')],
    outfile: join(folder, 'page.js'),
    define: { ROOT_METADATA: JSON.stringify(new TextDecoder().decode(root)) },
    ...{ bundle: true, minify: true, format: 'iife', platform: 'browser', target: 'es2022' },
    // The project's own settings lead package names to the sources; users get what the package exports.
    ...{ tsconfigRaw: {}, legalComments: 'none', logLevel: 'error' },
  });
}
