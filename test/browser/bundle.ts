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
