import type { Report } from '../report/index.js';
import type { GalleryEntry } from './gallery.js';
import { importPages } from './import-pages.js';

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
