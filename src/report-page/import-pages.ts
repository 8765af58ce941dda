import { NeuralDiffError } from '../model/index.js';
import type * as Pages from './pages.js';

/** The packages that pages are made with. */
const PACKAGES = ['vega', 'vega-lite', 'preact', 'preact-render-to-string'];

/**
 * Imports what makes pages: users who make none may not have its packages installed.
 *
 * @throws NeuralDiffError `missing-package`
 */
export async function importPages(): Promise<typeof Pages> {
  try {
    return await import('./pages.js');
  } catch (cause) {
    if (!isMissingPackage(cause)) throw cause;
    const message =
      'Cannot make a page: run "npm install vega@6 vega-lite@6 preact@11 preact-render-to-string@6" first';
    throw new NeuralDiffError('missing-package', message, { cause });
  }
}

/** @returns whether an import failed for want of one of the packages, or of a part of theirs */
export function isMissingPackage(cause: unknown): boolean {
  const { code, message } = cause as NodeJS.ErrnoException;
  return code === 'ERR_MODULE_NOT_FOUND' && PACKAGES.some((name) => message.includes(`'${name}'`));
}
