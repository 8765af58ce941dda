import { NeuralDiffError } from '../../src/model/errors.js';
import { listFolder, writeInto } from '../../src/node/output.js';
import type { Report } from '../../src/report/document.js';
import { renderJunit } from '../../src/report/junit.js';
import { renderMarkdown } from '../../src/report/markdown.js';
import { renderReportPage } from '../../src/report/page/render-pages.js';

/** Files of a report. */
export const REPORT_FILES = ['report.html', 'report.md', 'report.json', 'junit.xml'] as const;

/**
 * Checks that a report may be written into a folder, which may hold other things.
 *
 * @throws NeuralDiffError `output-exists`, `file-not-found`
 */
export async function checkReportFolder(folder: string, { force }: { force: boolean }): Promise<void> {
  const names = await listFolder(folder);
  const present = REPORT_FILES.find((name) => names.has(name));
  if (force || present === undefined) return;
  throw new NeuralDiffError('output-exists', `Cannot write "${folder}": it has a ${present} already`);
}

/** Writes a report for people, for a pull request, for machines and for build servers. */
export async function writeReportFiles(folder: string, report: Report): Promise<void> {
  const texts: Record<(typeof REPORT_FILES)[number], string> = {
    'report.html': await renderReportPage(report),
    'report.md': renderMarkdown(report),
    'report.json': `${JSON.stringify(report, null, 2)}\n`,
    'junit.xml': renderJunit(report),
  };
  for (const name of REPORT_FILES) await writeInto(folder, name, new TextEncoder().encode(texts[name]));
}
