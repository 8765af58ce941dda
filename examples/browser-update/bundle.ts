import { copyFile, mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';

/** Where the page lies that is not compiled. */
const HERE = join(
  dirname(createRequire(import.meta.url).resolve('neural-diff/package.json')),
  'examples',
  'browser-update',
);

/**
 * Writes the page into a folder: its document, its style, and all of its program in one script.
 *
 * @param root metadata that the page trusts
 */
export async function bundlePage(folder: string, root: Uint8Array): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of ['index.html', 'style.css']) await copyFile(join(HERE, name), join(folder, name));
  await build({
    // Without an ending: this module runs as TypeScript and compiled.
    entryPoints: [join(import.meta.dirname, 'page')],
    outfile: join(folder, 'page.js'),
    define: { ROOT_METADATA: JSON.stringify(new TextDecoder().decode(root)) },
    ...{ bundle: true, minify: true, format: 'iife', platform: 'browser', target: 'es2022' },
    // The project's own settings lead package names to the sources; users get what the package exports.
    ...{ tsconfigRaw: {}, legalComments: 'none', logLevel: 'error' },
  });
}
