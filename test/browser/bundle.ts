import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { build, type Plugin } from 'esbuild';

/** A script for browsers. */
export interface Bundle {
  readonly code: string;
  /** The files that went into it, from the project's root. */
  readonly inputs: readonly string[];
}

const ROOT = join(import.meta.dirname, '..', '..');

/** Examples are packages of their own: from there too, the package's name means this project's build. */
const OWN_PACKAGE: Plugin = {
  name: 'own package',
  setup(context) {
    context.onResolve({ filter: /^neural-diff(\/|$)/ }, ({ path, kind, resolveDir }) =>
      resolveDir === ROOT ? undefined : context.resolve(path, { kind, resolveDir: ROOT }),
    );
  },
};

/**
 * Bundles a module of this folder as a classic script whose exports are the properties of a global `device`.
 *
 * @param module file name
 * @returns the script, with the built package in it
 */
export async function bundleForBrowser(module: string): Promise<Bundle> {
  const result = await build({
    entryPoints: [join(import.meta.dirname, module)],
    absWorkingDir: ROOT,
    bundle: true,
    write: false,
    metafile: true,
    format: 'iife',
    globalName: 'device',
    platform: 'browser',
    target: 'es2022',
    // The project's own settings lead package names to the sources; users get what the package exports.
    tsconfigRaw: {},
    plugins: [OWN_PACKAGE],
    logLevel: 'error',
  });
  const [file] = result.outputFiles;
  return { code: file?.text as string, inputs: Object.keys(result.metafile.inputs) };
}

/** @returns the program of the wasm backend and its path: the backend looks for it next to the script */
export function wasmProgram(): [string, Uint8Array] {
  const name = 'tfjs-backend-wasm-simd.wasm';
  const main = createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm');
  return [name, readFileSync(new URL(name, `file://${main}`))];
}
