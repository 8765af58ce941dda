import { NeuralDiffError } from '../src/model/errors.js';
import { printable, printableJson } from '../src/model/printable.js';
import { listFolder, writeInto } from '../src/node/output.js';
import type { Report } from '../src/report/document.js';
import { renderJunit } from '../src/report/junit.js';
import { renderMarkdown } from '../src/report/markdown.js';
import { renderReportPage } from '../src/report/page/render-pages.js';
import {
  formatLossChange,
  gapOf,
  gridWords,
  lossChangeOn,
  precisionWords,
  probabilityText,
  WAY_WORDS,
} from '../src/report/precision.js';
import { formatGap, formatNumber, formatPercent, formatSeconds, formatShare } from '../src/report/words.js';
import { alignColumns } from './io.js';

/** Columns that the lines below the table explain. */
const [BEHIND, WRONG] = [4, 5];

/** @returns a table of base, full fine-tune and payloads without empty columns, and what its columns mean */
export function tableOf({
  base,
  full,
  model,
  candidates,
  data,
}: Pick<Report, 'base' | 'full' | 'model' | 'candidates' | 'data'>): string[] {
  const accuracyOf = (value: number | undefined) => (value === undefined ? '' : formatPercent(value));
  const whole = model ? [formatNumber(model.float32Bytes), '100 %'] : ['', ''];
  const rows = [
    ['bytes', 'share', 'accuracy', '95 % interval', 'points behind', 'newly wrong', 'applied in'],
    ['', '', accuracyOf(base?.quality?.accuracy.value), '', '', '', ''],
    ...(full ? [[...whole, accuracyOf(full.quality?.accuracy.value), '', '', '', '']] : []),
    ...candidates.map(({ bytes, share, quality, versusFull, versusBase, apply }) => [
      formatNumber(bytes),
      formatShare(share),
      accuracyOf(quality?.accuracy.value),
      quality ? `${formatPercent(quality.accuracy.low)} to ${formatPercent(quality.accuracy.high)}` : '',
      versusFull ? formatGap(versusFull.gap) : '',
      versusBase ? formatNumber(versusBase.negativeFlips.count) : '',
      apply ? formatSeconds(apply.seconds) : '',
    ]),
  ];
  const isUsed = (column: number): boolean => rows.some((row, i) => i > 0 && row[column] !== '');
  const used = rows.map((row) => row.filter((_, column) => isUsed(column)));
  const names = [
    '',
    'base',
    ...(full ? ['full fine-tune'] : []),
    ...candidates.map(({ name }) => printable(name)),
  ];
  return [
    ...named(alignColumns(used), names),
    ...(data ? [`measured on ${formatNumber(data.examples)} ${data.source} examples`] : []),
    ...(isUsed(BEHIND) ? ['points behind the full fine-tune, with 95 % interval: below 0 is better'] : []),
    ...(isUsed(WRONG) ? ['newly wrong: examples that the base gets right (negative flips)'] : []),
  ];
}

/** @returns a table of the ways to store the base, one of its tensors, and what they mean */
export function precisionLines(precision: NonNullable<Report['precision']>): string[] {
  const gapText = (...of: Parameters<typeof gapOf>): string => {
    const gap = gapOf(...of);
    return gap === undefined ? '' : formatGap(gap);
  };
  const totals = precision.totals.map(({ way, bytes, measured, test, isMet }) => [
    formatNumber(bytes),
    measured ? formatPercent(measured.accuracy.value) : '',
    gapText(way, measured),
    probabilityText(way, measured),
    ...(isTested(precision) ? [gapText(way, test)] : []),
    isMet ? 'kept' : 'not kept',
  ]);
  const head = [
    'bytes',
    'accuracy',
    'points behind',
    'in probability',
    ...(isTested(precision) ? ['on test data'] : []),
  ];
  const ways = ['', ...precision.totals.map(({ way }) => WAY_WORDS[way])];
  const tensors = precision.tensors.map((each) => {
    const change = lossChangeOn(each, each.grid);
    return [formatNumber(each.gridBytes), change === undefined ? '' : formatLossChange(change)];
  });
  const names = precision.tensors.map(
    ({ tensor, grid, dtype }) => `${printable(tensor)}  ${grid === undefined ? dtype : gridWords(grid)}`,
  );
  return [
    ...named(alignColumns([[...head, 'contract'], ...totals]), ways),
    '',
    ...named(alignColumns([['bytes', 'loss change alone'], ...tensors]), ['', ...names]),
    ...precisionWords(precision).map((words) => `  ${words}`),
  ];
}

const isTested = ({ totals }: NonNullable<Report['precision']>): boolean =>
  totals.some(({ test }) => test !== undefined);

const named = (lines: readonly string[], names: readonly string[]): string[] =>
  lines.map((line, i) => `${line}  ${names[i]}`.trimEnd());

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

/** Writes a report as a page, as Markdown for a pull request, as JSON, and as JUnit for build servers. */
export async function writeReportFiles(folder: string, report: Report): Promise<void> {
  const texts: Record<(typeof REPORT_FILES)[number], string> = {
    'report.html': await renderReportPage(report),
    'report.md': renderMarkdown(report),
    'report.json': `${printableJson(report)}\n`,
    'junit.xml': renderJunit(report),
  };
  for (const name of REPORT_FILES) await writeInto(folder, name, new TextEncoder().encode(texts[name]));
}
