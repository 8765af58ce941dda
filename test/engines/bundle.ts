import { join } from 'node:path';
import { build } from 'esbuild';

const ROOT = join(import.meta.dirname, '..', '..');

/**
 * Bundles a module of this folder, with the built package in it, as one module that imports nothing.
 *
 * @param module file name
 */
export async function bundleForEngine(module: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, module)],
    absWorkingDir: ROOT,
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    target: 'es2022',
    // The project's own settings lead package names to the sources; users get what the package exports.
    tsconfigRaw: {},
    logLevel: 'error',
  });
  return outputFiles[0]?.text as string;
}
