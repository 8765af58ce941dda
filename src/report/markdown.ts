import type { Candidate, Report } from './document.js';
import type { Estimate } from './interval.js';
import {
  formatLossChange,
  gapOf,
  gridWords,
  lossChangeOn,
  precisionWords,
  probabilityText,
  WAY_WORDS,
} from './precision.js';
import { type StreamedModel, streamingWords, streamTables } from './streaming.js';
import {
  formatBytes,
  formatGap,
  formatNumber,
  formatPercent,
  formatSeconds,
  formatShare,
  formatSigned,
} from './words.js';

/** Heading of signed differences from the full fine-tune. */
const BEHIND = 'points behind full fine-tune (below 0: better)';

/** Most rows of slices and classes: those with the lowest accuracy. */
const MAX_PARTS = 8;

/** Renders a report for a pull request, as GitHub-flavoured Markdown with all names escaped. */
export function renderMarkdown(report: Report): string {
  const { title, advice } = report;
  const verdict = advice.isPassed ? 'Passed' : 'Failed';
  return [
    `## ${escapeMarkdown(title)}`,
    `**${verdict}.** ${escapeMarkdown(advice.headline)}.`,
    list(advice.reasons),
    table(modelRows(report)),
    legendOf(report),
    section('Gates not met', list(failuresOf(report))),
    section('Slices and classes with the lowest accuracy', table(partRows(report))),
    section('Streaming', streamingText(report)),
    section('Other ways to ship the full fine-tune', table(wayRows(report))),
    section('Methods by size', table(frontierRows(report))),
    section('Precision of the stored weights', precisionText(report)),
    section('Since the last report', table(trendRows(report))),
    section('Fleet', fleetText(report)),
    section('How it was measured', list(report.remarks)),
  ]
    .filter((part) => part !== '')
    .join('\n\n')
    .concat('\n');
}

/** A zero-width space, which keeps links, mentions and entities from being recognised. */
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

/** Escapes text for Markdown and HTML, on one line. */
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

/** The first row is the header; the first column contains text, the others numbers. */
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
    BEHIND,
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
    each.versusFull ? formatGap(each.versusFull.gap) : '',
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

/** @returns the terms of the first table, as far as it has values of them */
function legendOf({ candidates, data }: Report): string {
  if (data === undefined || candidates.every(({ versusBase }) => versusBase === undefined)) return '';
  return `Measured on ${formatNumber(data.examples)} ${data.source} examples, with 95 % intervals. Negative flips: examples that the base gets right and the payload wrong. Gates: the limits that a payload must meet.`;
}

function intervalText(estimate: Estimate | undefined): string {
  if (estimate === undefined) return '';
  const { value, low, high } = estimate;
  return `${formatPercent(value)} (${formatPercent(low)} to ${formatPercent(high)})`;
}

function gatesText({ checks, problem }: Candidate): string {
  const failing = checks.filter(({ isMet }) => !isMet).length;
  if (failing > 0) return `${failing} of ${checks.length} fail`;
  return problem === undefined ? 'met' : 'fail';
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
    ['method', 'bytes', 'share', 'accuracy', BEHIND],
    ...frontier.points.map(({ method, bytes, share, accuracy, gap }) => [
      method,
      formatNumber(bytes),
      formatShare(share),
      formatPercent(accuracy),
      formatSigned(gap),
    ]),
  ];
}

/** Heading of differences in the mean probability of the right class. */
const RIGHT_CLASS = "the same, of the right class's probability";

function precisionText({ precision }: Report): string {
  if (precision === undefined) return '';
  const behind = 'points behind (below 0: better)';
  const totals = precision.totals.map(({ way, bytes, measured, test, isMet }) => [
    WAY_WORDS[way],
    formatNumber(bytes),
    intervalText(measured?.accuracy),
    gapText(gapOf(way, measured)),
    probabilityText(way, measured),
    gapText(gapOf(way, test)),
    isMet ? 'kept' : 'not kept',
  ]);
  const tensors = precision.tensors.map((each) => [
    each.tensor,
    each.grid === undefined ? each.dtype : gridWords(each.grid),
    formatNumber(each.bytes),
    formatNumber(each.gridBytes),
    textOf(lossChangeOn(each, each.grid)),
  ]);
  return [
    list(precisionWords(precision)),
    table([
      ['stored as', 'bytes', 'accuracy', behind, RIGHT_CLASS, `test: ${behind}`, 'contract'],
      ...totals,
    ]),
    table([['tensor', 'grid', 'bytes before', 'bytes', 'loss change alone'], ...tensors]),
  ].join('\n\n');
}

const gapText = (gap: Estimate | undefined): string => (gap === undefined ? '' : formatGap(gap));

const textOf = (change: number | undefined): string => (change === undefined ? '' : formatLossChange(change));

function streamingText({ streaming, base, full, candidates }: Report): string {
  if (streaming === undefined) return '';
  const models: StreamedModel<string>[] = [
    { name: 'base', streams: base.streams },
    { name: 'full fine-tune', streams: full?.streams },
    ...candidates,
  ];
  const tables = streamTables(streaming, models).map(({ caption, columns, rows }) => {
    const lines = rows.map(({ name, cells }) => [
      name,
      ...cells.map(({ value, format }) => (value === undefined ? '' : format(value))),
    ]);
    return `${escapeMarkdown(caption)}:\n\n${table([['model', ...columns.map(escapeMarkdown)], ...lines])}`;
  });
  if (tables.length === 0) return '';
  return [list(streamingWords(streaming, models)), ...tables].join('\n\n');
}

const TREND_TEXT = {
  bytes: formatNumber,
  accuracy: formatPercent,
  gap: formatSigned,
  'negative-flips': formatShare,
  'apply-seconds': formatSeconds,
} as const;

function trendRows({ trend }: Report): string[][] {
  if (trend === undefined) return [];
  return [
    ['payload', 'measure', 'before', 'now'],
    ...trend.rows.map(({ candidate, measure, before, now }) => {
      const text = TREND_TEXT[measure];
      const name = measure === 'gap' ? BEHIND : measure.replace('-', ' ');
      return [candidate, name, text(before), text(now)];
    }),
  ];
}

function fleetText({ fleet }: Report): string {
  if (fleet === undefined) return '';
  const { devices, bytes, fullBytes, metadataBytes, precompute } = fleet;
  return list([
    `${formatNumber(devices)} devices download ${formatBytes(bytes)} in total, compared with ${formatBytes(fullBytes)} as full models`,
    ...(metadataBytes === undefined
      ? []
      : [`both count ${formatBytes(metadataBytes)} of signed metadata for each update`]),
    ...precompute.map(
      ({ version, savedBytes, devices: count }) =>
        `a direct payload from ${version} would save ${formatBytes(savedBytes)} on ${formatNumber(count)} devices`,
    ),
  ]);
}
