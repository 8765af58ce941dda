import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { build } from 'esbuild';

/** A script for browsers. */
export interface Bundle {
  readonly code: string;
  /** The files that went into it, from the project's root. */
  readonly inputs: readonly string[];
}

/**
 * Bundles a module of this folder as a classic script whose exports are the properties of a global `device`.
 *
 * @param module file name
 * @returns the script, with the built package in it
 */
export async function bundleForBrowser(module: string): Promise<Bundle> {
  const result = await build({
    entryPoints: [join(import.meta.dirname, module)],
    absWorkingDir: join(import.meta.dirname, '..', '..'),
    bundle: true,
    write: false,
    metafile: true,
    format: 'iife',
    globalName: 'device',
    platform: 'browser',
    target: 'es2022',
    // The project's own settings lead package names to the sources; users get what the package exports.
    tsconfigRaw: {},
    logLevel: 'error',
  });
  const [file] = result.outputFiles;
  return { code: file?.text as string, inputs: Object.keys(result.metafile.inputs) };
}

/** @returns the program of the wasm backend and its path: the backend looks for it beside the script */
export function wasmProgram(): [string, Uint8Array] {
  const name = 'tfjs-backend-wasm-simd.wasm';
  const main = createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm');
  return [name, readFileSync(new URL(name, `file://${main}`))];
}
