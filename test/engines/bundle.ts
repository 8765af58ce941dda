import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BuildOptions, build } from 'esbuild';
import type { Material } from './engine.js';
import { writeCases } from './fixtures.js';

const ROOT = join(import.meta.dirname, '..', '..');

const SETTINGS: BuildOptions = {
  absWorkingDir: ROOT,
  bundle: true,
  platform: 'neutral',
  mainFields: ['module', 'main'],
  target: 'es2022',
  // The project's own settings lead package names to the sources; users get what the package exports.
  tsconfigRaw: {},
  logLevel: 'error',
};

/** Writes what engines run: the program, with the built package in it, and the cases. */
export async function writeMaterial(folder: string): Promise<Material> {
  const own = (name: string): string => join(import.meta.dirname, name);
  const program = { ...SETTINGS, entryPoints: [own('prove.ts')] };
  await build({ ...program, format: 'esm', outfile: join(folder, 'prove.mjs') });
  await build({ ...program, format: 'iife', outfile: join(folder, 'prove.js') });
  await build({
    ...program,
    format: 'esm',
    packages: 'external',
    outfile: join(folder, 'prove-external.js'),
  });
  copyFileSync(own('bare-host.js'), join(folder, 'bare-host.js'));
  writeFileSync(join(folder, 'app.js'), "import './bare-host.js';\nimport './prove-external.js';\n");
  for (const size of ['all', 'small'] as const)
    writeFileSync(join(folder, `${size}.json`), await writeCases(size));
  return { folder };
}
