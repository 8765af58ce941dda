import type { BuildOptions } from 'esbuild';

/** How esbuild makes one classic script of a program for pages. */
export const SCRIPT_OPTIONS = {
  bundle: true,
  minify: true,
  format: 'iife',
  platform: 'browser',
  target: 'es2022',
  // The project's own settings lead package names to the sources; users get what the package exports.
  tsconfigRaw: {},
  legalComments: 'none',
  logLevel: 'error',
} as const satisfies BuildOptions;
