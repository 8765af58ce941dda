import { NeuralDiffError } from '../../model/errors.js';
import type { Report } from '../document.js';
import type { GalleryEntry } from './gallery.js';
import type * as Pages from './pages.js';

/**
 * Checks that the packages for pages are installed, before time is spent on measuring.
 *
 * @throws NeuralDiffError `missing-package`
 */
export async function checkReportPage(): Promise<void> {
  await importPages();
}

/**
 * Renders a report as a single, self-contained HTML file. It loads nothing, its content security policy
 * allows only its own script, and it is readable without that. The same report always results in the same
 * bytes.
 *
 * @param report the report; all of its strings are shown as text, whatever they contain
 * @returns the page
 * @throws NeuralDiffError `missing-package`
 *
 * @example
 * const measured = await measureReport({ base: 'models/v1', payloads: ['v2.ndiff'], applyRuns: 0 });
 * const report = writeReport(measured, { title: 'Version 2' });
 * writeFileSync('report.html', await renderReportPage(report));
 */
export async function renderReportPage(report: Report): Promise<string> {
  const { makeReportPage } = await importPages();
  return makeReportPage(report);
}

/**
 * Renders a page with links to several reports.
 *
 * @param entries the reports, in the order they are shown
 * @returns the page
 * @throws NeuralDiffError `missing-package`
 */
export async function renderGalleryPage(entries: readonly GalleryEntry[]): Promise<string> {
  const { makeGalleryPage } = await importPages();
  return makeGalleryPage(entries);
}

/** The packages needed to render pages. */
const PACKAGES = ['vega', 'vega-lite', 'preact', 'preact-render-to-string'];

/**
 * Imports the page renderer on demand, as its packages may not be installed.
 *
 * @throws NeuralDiffError `missing-package`
 */
async function importPages(): Promise<typeof Pages> {
  try {
    return await import('./pages.js');
  } catch (cause) {
    if (!isMissingPackage(cause)) throw cause;
    const message =
      'Cannot render the page: run "npm install vega@6 vega-lite@6 preact@11 preact-render-to-string@6" first';
    throw new NeuralDiffError('missing-package', message, { cause });
  }
}

/** @returns whether an import failed because one of the packages, or a part of it, is missing */
export function isMissingPackage(cause: unknown): boolean {
  const { code, message } = cause as NodeJS.ErrnoException;
  return code === 'ERR_MODULE_NOT_FOUND' && PACKAGES.some((name) => message.includes(`'${name}'`));
}
