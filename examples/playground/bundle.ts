import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { SCRIPT_OPTIONS } from '../common/script-options.js';
import { makeSamples } from './samples.js';

/** What is not compiled lies in the sources, seen from the build. */
const SOURCES = join(import.meta.dirname, '..', '..', '..', 'examples', 'playground');

const WASM_FILE = 'tfjs-backend-wasm-simd.wasm';

/**
 * Writes the playground into a folder: a document, its style, and a script that also has the worker, the
 * WebAssembly and the samples, so that it runs from files. It runs from the build.
 */
export async function bundlePlayground(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of ['index.html', 'style.css']) await copyFile(join(SOURCES, name), join(folder, name));
  const worker = await bundleScript('worker.js', { WASM_URL: await readWasm() });
  const page = await bundleScript('page.js', { WORKER_PROGRAM: worker, SAMPLES: await makeSamples() });
  await writeFile(join(folder, 'playground.js'), page);
}

/** @returns a program as one classic script */
async function bundleScript(name: string, values: Readonly<Record<string, unknown>>): Promise<string> {
  const { outputFiles } = await build({
    ...SCRIPT_OPTIONS,
    entryPoints: [join(import.meta.dirname, name)],
    banner: { js: bannerOf(values) },
    write: false,
  });
  return outputFiles[0]?.text as string;
}

/** @returns values as constants before a program, in ASCII, which every encoding of a page has */
function bannerOf(values: Readonly<Record<string, unknown>>): string {
  const asciiOf = (sign: string): string => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return Object.entries(values)
    .map(([name, value]) => `const ${name} = ${JSON.stringify(value).replace(/[^ -~]/g, asciiOf)};`)
    .join('\n');
}

async function readWasm(): Promise<string> {
  const main = createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm');
  const bytes = await readFile(join(dirname(main), WASM_FILE));
  return `data:application/wasm;base64,${bytes.toString('base64')}`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const folder = process.argv[2] ?? 'playground';
  await bundlePlayground(folder);
  process.stdout.write(`${pathToFileURL(join(folder, 'index.html')).href}\n`);
}
