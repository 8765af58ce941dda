import { NeuralDiffError } from '../../model/errors.js';
import type { Report } from '../document.js';
import type { GalleryEntry } from './gallery.js';
import type * as Pages from './pages.js';

/**
 * Checks that pages can be made, before time is spent on what they show.
 *
 * @throws NeuralDiffError `missing-package`
 */
export async function checkReportPage(): Promise<void> {
  await importPages();
}

/**
 * Makes a page of a report: one HTML file with everything in it. It loads nothing, its policy lets nothing run but its own
 * script, and it reads as well without it. The same report gives the same bytes.
 *
 * @param report what to show; all of its strings are shown as text, whatever they hold
 * @returns the page
 * @throws NeuralDiffError `missing-package`
 * @example
 * await writeFile('report.html', await renderReportPage(report));
 */
export async function renderReportPage(report: Report): Promise<string> {
  const { makeReportPage } = await importPages();
  return makeReportPage(report);
}

/**
 * Makes a page that leads to several reports.
 *
 * @param entries the reports, in the order in which they are shown
 * @returns the page
 * @throws NeuralDiffError `missing-package`
 */
export async function renderGalleryPage(entries: readonly GalleryEntry[]): Promise<string> {
  const { makeGalleryPage } = await importPages();
  return makeGalleryPage(entries);
}

/** The packages that pages are made with. */
const PACKAGES = ['vega', 'vega-lite', 'preact', 'preact-render-to-string'];

/**
 * Imports what makes pages: users who make none may not have its packages installed.
 *
 * @throws NeuralDiffError `missing-package`
 */
async function importPages(): Promise<typeof Pages> {
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
