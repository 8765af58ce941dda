import type { Candidate, Estimate, Report } from './document.js';
import {
  formatBytes,
  formatNumber,
  formatPercent,
  formatPoints,
  formatPointsNumber,
  formatSeconds,
  formatShare,
} from './words.js';

/** Rows of slices and classes that are shown: those of lowest accuracy. */
const MAX_PARTS = 8;

/**
 * Renders a report for a pull request.
 *
 * @returns GitHub-flavoured Markdown with all names escaped
 */
export function renderMarkdown(report: Report): string {
  const { title, advice } = report;
  const verdict = advice.isPassed ? 'Passed' : 'Failed';
  return [
    `## ${escapeMarkdown(title)}`,
    `**${verdict}.** ${escapeMarkdown(advice.headline)}.`,
    list(advice.reasons),
    table(modelRows(report)),
    section('Gates that do not hold', list(failuresOf(report))),
    section('Slices and classes of lowest accuracy', table(partRows(report))),
    section('Other ways to ship the full fine-tune', table(wayRows(report))),
    section('Methods at their sizes', table(frontierRows(report))),
    section('Since the last report', table(trendRows(report))),
    section('Fleet', fleetText(report)),
    section('How it was measured', list(report.remarks)),
  ]
    .filter((part) => part !== '')
    .join('\n\n')
    .concat('\n');
}

/** What would begin a link, a mention or an entity is taken apart by a space of no width. */
const GAP = '&#8203;';

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '#': `\\#${GAP}`,
  '@': `@${GAP}`,
  '://': `:${GAP}//`,
  'www.': `www${GAP}.`,
};

/** @returns text that Markdown and HTML leave alone, on one line */
export function escapeMarkdown(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .replaceAll(
      /:\/\/|www\.|[&<>#@\\`*_{}[\]()+!|~]/gi,
      (found) => ESCAPES[found.toLowerCase()] ?? `\\${found}`,
    );
}

function section(heading: string, body: string): string {
  return body === '' ? '' : `### ${heading}\n\n${body}`;
}

function list(lines: readonly string[]): string {
  return lines.map((line) => `- ${escapeMarkdown(line)}`).join('\n');
}

/** The first row is the header; the first column is text, the others are numbers. */
function table([header, ...rows]: readonly (readonly string[])[]): string {
  if (header === undefined || rows.length === 0) return '';
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = header.map((_, i) => (i === 0 ? '---' : '---:'));
  return [header, rule, ...rows.map((cells) => cells.map(escapeMarkdown))].map(line).join('\n');
}

function modelRows({ base, full, model, candidates, advice }: Report): string[][] {
  const head = [
    'model',
    'bytes shipped',
    'share',
    'accuracy',
    'gap',
    'negative flips',
    'applied in',
    'gates',
  ];
  const accuracyOf = (accuracy: Estimate | undefined) => (accuracy ? formatPercent(accuracy.value) : '');
  const rows = candidates.map((each) => [
    each.name === advice.ship ? `${each.name} (ship this)` : each.name,
    formatNumber(each.bytes),
    formatShare(each.share),
    each.problem === undefined ? intervalText(each.quality?.accuracy) : each.problem,
    each.versusFull ? formatPointsNumber(each.versusFull.gap.value) : '',
    each.versusBase ? formatNumber(each.versusBase.negativeFlips.count) : '',
    each.apply ? formatSeconds(each.apply.seconds) : '',
    gatesText(each),
  ]);
  return [
    head,
    ...(base?.quality ? [['base', '', '', accuracyOf(base.quality.accuracy), '', '', '', '']] : []),
    ...(full && model
      ? [
          [
            'full fine-tune',
            formatNumber(model.float32Bytes),
            '100 %',
            accuracyOf(full.quality?.accuracy),
            '',
            '',
            '',
            '',
          ],
        ]
      : []),
    ...rows,
  ];
}

function intervalText(estimate: Estimate | undefined): string {
  if (estimate === undefined) return '';
  const { value, low, high } = estimate;
  return `${formatPercent(value)} (${formatPercent(low)} to ${formatPercent(high)})`;
}

function gatesText({ checks, problem }: Candidate): string {
  const failing = checks.filter(({ isMet }) => !isMet).length;
  if (failing > 0) return `${failing} of ${checks.length} fail`;
  return problem === undefined ? 'hold' : 'fail';
}

function failuresOf({ candidates }: Report): string[] {
  return candidates.flatMap(({ name, checks }) =>
    checks.filter(({ isMet }) => !isMet).map(({ message }) => `${name}: ${message}`),
  );
}

function partRows({ candidates, advice, base }: Report): string[][] {
  const shown = candidates.find(({ name }) => name === advice.ship) ?? candidates[0];
  if (shown?.quality === undefined) return [];
  const before = [...(base?.quality?.slices ?? []), ...(base?.quality?.classes ?? [])];
  const parts = [...shown.quality.slices, ...shown.quality.classes]
    .map((part, i) => ({ part, was: before[i] }))
    .filter(({ part }) => part.accuracy !== undefined)
    .sort((a, b) => (a.part.accuracy?.value ?? 0) - (b.part.accuracy?.value ?? 0))
    .slice(0, MAX_PARTS);
  return [
    ['part', 'examples', 'base', escapeMarkdown(shown.name), 'negative flips'],
    ...parts.map(({ part, was }) => [
      part.name,
      formatNumber(part.examples),
      was?.accuracy ? formatPercent(was.accuracy.value) : '',
      intervalText(part.accuracy),
      formatNumber(part.negativeFlips ?? 0),
    ]),
  ];
}

function wayRows({ ways }: Report): string[][] {
  return [
    ['way', 'bytes', 'note'],
    ...ways.map(({ name, bytes, note = '' }) => [name, bytes === undefined ? '' : formatNumber(bytes), note]),
  ];
}

function frontierRows({ frontier, candidates }: Report): string[][] {
  if (frontier === undefined || candidates.length > 0) return [];
  return [
    ['method', 'bytes', 'share', 'accuracy', 'gap'],
    ...frontier.points.map(({ method, bytes, share, accuracy, gap }) => [
      method,
      formatNumber(bytes),
      formatShare(share),
      formatPercent(accuracy),
      formatPointsNumber(gap),
    ]),
  ];
}

const TREND_TEXT = {
  bytes: formatNumber,
  accuracy: formatPercent,
  gap: formatPoints,
  'negative-flips': formatShare,
  'apply-seconds': formatSeconds,
} as const;

function trendRows({ trend }: Report): string[][] {
  if (trend === undefined) return [];
  return [
    ['payload', 'measure', 'before', 'now'],
    ...trend.rows.map(({ candidate, measure, before, now }) => {
      const text = TREND_TEXT[measure];
      return [candidate, measure.replace('-', ' '), text(before), text(now)];
    }),
  ];
}

function fleetText({ fleet }: Report): string {
  if (fleet === undefined) return '';
  const { devices, bytes, fullBytes, precompute } = fleet;
  return list([
    `${formatNumber(devices)} devices download ${formatBytes(bytes)} together; as full models it would be ${formatBytes(fullBytes)}`,
    ...precompute.map(
      ({ version, savedBytes, devices: count }) =>
        `a direct payload from ${version} would save ${formatBytes(savedBytes)} on ${formatNumber(count)} devices`,
    ),
  ]);
}
