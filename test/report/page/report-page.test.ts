import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import type { Report } from '../../../src/report/document.js';
import * as format from '../../../src/report/page/format.js';
import { cleanText } from '../../../src/report/page/format.js';
import { renderGalleryPage, renderReportPage } from '../../../src/report/page/render-pages.js';
import { minimalReport, sampleReport } from '../sample-report.js';
import { HOSTILE, hostileReport } from './hostile-report.js';
import { takeApart } from './page-text.js';

const SECTIONS = [
  ...[
    'cost',
    'sizes',
    'gates',
    'accuracy',
    'flips',
    'streaming',
    'layers',
    'precision',
    'training',
    'sequence',
    'fleet',
    'trend',
  ],
  ...['history', 'method'],
];

/** What shows where a value is written that is not there. */
const UNWRITTEN = /undefined|NaN|null|\[object|Infinity/;

const sectionsOf = (html: string): string[] =>
  Array.from(html.matchAll(/<section id="([a-z]+)"/g), ([, id]) => id!);

test('renderReportPage() shows every section of a full report, in order', async () => {
  expect(sectionsOf(await renderReportPage(sampleReport()))).toEqual(SECTIONS);
});

test('renderReportPage() omits sections without data', async () => {
  const html = await renderReportPage(minimalReport());
  expect(sectionsOf(html)).toEqual(['cost', 'method']);
  expect(html).not.toContain('<figure');
  expect(takeApart(html).text).not.toMatch(UNWRITTEN);
  const parts = [
    'frontier',
    'sequence',
    'fleet',
    'trend',
    'history',
    'curves',
    'full',
    'data',
    'precision',
    'streaming',
  ] as const;
  for (const part of parts) {
    const { [part]: left, ...rest } = sampleReport();
    expect(left).toBeDefined();
    expect(takeApart(await renderReportPage(rest as Report)).text).not.toMatch(UNWRITTEN);
  }
});

test('renderReportPage() is deterministic', async () => {
  expect(await renderReportPage(sampleReport())).toBe(await renderReportPage(sampleReport()));
});

test('renderReportPage() writes the numbers of a report into tables', async () => {
  const report = sampleReport();
  const { tables } = takeApart(await renderReportPage(report));
  for (const number of numbersOf(report)) expect(tables).toContain(number);
  expect(tables.match(/no examples/g)!.length).toBeGreaterThanOrEqual(5);
});

/** @returns what tables must say of a report, written as the page writes it */
function numbersOf(report: Report): string[] {
  const { candidates, ways, frontier, sequence, fleet, precision } = report;
  const parts = [report.base, report.full!, ...candidates].flatMap(({ quality }) => [
    ...[...quality!.classes, ...quality!.slices].flatMap(({ accuracy }) => accuracy ?? []),
    quality!.accuracy,
  ]);
  return [
    ...parts.flatMap((part) => [format.formatPercent(part.value), format.formatInterval(part)]),
    ...candidates.flatMap(({ bytes, share }) => [format.formatNumber(bytes), format.formatShare(share)]),
    ...candidates.flatMap(({ share, apply }) => [
      ...[format.formatTimes(share), format.formatSeconds(apply?.seconds ?? 0.0287)],
      format.formatMemory(apply?.extraMemoryBytes ?? 12_845_056),
    ]),
    ...candidates.flatMap(({ versusBase, versusFull }) =>
      [versusBase!, versusFull!].flatMap(({ gap, agreement, negativeFlips, positiveFlips, divergence }) => [
        ...[
          format.formatSigned(gap.value),
          format.formatSignedInterval(gap),
          format.formatPercent(agreement.value),
        ],
        ...[format.formatNumber(negativeFlips.count), format.formatShare(negativeFlips.share.value)],
        ...[format.formatNumber(positiveFlips.count), format.formatShare(positiveFlips.share.value)],
        ...[format.formatSmall(divergence.mean), format.formatSmall(divergence.percentile99)],
      ]),
    ),
    ...candidates.flatMap(({ layers }) =>
      layers.flatMap(({ weights, changed, change, magnitude }) => [
        ...[format.formatNumber(weights), format.formatNumber(changed)],
        ...[
          format.formatSmall(change),
          format.formatSmall(magnitude),
          format.formatShare(change / magnitude),
        ],
      ]),
    ),
    ...ways.flatMap(({ bytes }) => (bytes === undefined ? [] : [format.formatNumber(bytes)])),
    ...frontier!.points.flatMap(({ bytes, accuracy }) => [
      ...[format.formatNumber(bytes), format.formatPercent(accuracy)],
    ]),
    ...sequence!.points.map(({ accuracy }) => format.formatPercent(accuracy)),
    ...fleet!.versions.flatMap(({ devices, bytes }) => [
      format.formatNumber(devices),
      format.formatNumber(bytes),
    ]),
    ...precision!.totals
      .slice(1)
      .flatMap(({ bytes, measured }) => [
        ...[format.formatNumber(bytes), format.formatSmall(measured!.loss)],
        ...[format.formatPercent(measured!.accuracy.value), format.formatSignedInterval(measured!.gap)],
      ]),
    ...precision!.tensors.flatMap(({ bytes, gridBytes }) =>
      [bytes, gridBytes].map((n) => format.formatNumber(n)),
    ),
    ...[report.base, report.full!, ...candidates].flatMap(({ streams }) =>
      streams!.flatMap(({ computation, shares, latency, longestBacklog, metrics }) => [
        ...[computation, ...shares].map(format.formatPercent),
        ...[latency.p50, latency.p95, latency.p99, longestBacklog].map((n) => format.formatSmall(1000 * n)),
        format.formatSmall(metrics[0]!.value),
        format.formatNumber(metrics[1]!.value),
      ]),
    ),
    ...fleet!.precompute.map(({ savedBytes }) => format.formatNumber(savedBytes)),
  ];
}

test('renderReportPage() labels every mark of a chart with numbers that are also in a table', async () => {
  const { labels, tables } = takeApart(await renderReportPage(sampleReport()));
  expect(labels.length).toBeGreaterThan(200);
  const numbers = labels.flatMap((label) => label.match(/\d[\d,.]*\d|\d/g) ?? []);
  expect([...new Set(numbers)].filter((number) => !tables.includes(number))).toEqual([]);
});

test('renderReportPage() shows hostile strings as text', async () => {
  const html = await renderReportPage(hostileReport());
  const { tags, text } = takeApart(html);
  expect(html.match(/<\/?script/gi)).toEqual(['<script', '</script']);
  expect(html.match(/<\/?style/gi)).toEqual(['<style', '</style']);
  expect(
    tags.filter(({ attributes }) => /\son\w+\s*=/i.test(attributes.replaceAll(/"[^"]*"/g, '""'))),
  ).toEqual([]);
  expect(tags.filter(({ name }) => /^(img|iframe|object|embed|base|form|a)$/i.test(name))).toEqual(
    tags.filter(({ attributes }) => /^ (class="skip" )?href="#[a-z]+"$/.test(attributes)),
  );
  // biome-ignore lint/suspicious/noControlCharactersInRegex: none of them may be there.
  expect(html).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffd-\uffff]/);
  for (const string of HOSTILE.filter((one) => cleanText(one) === one)) expect(text).toContain(string.trim());
});

test('renderReportPage() allows only its own script in its policy', async () => {
  const html = await renderReportPage(sampleReport());
  const hash = createHash('sha256').update(takeApart(html).script).digest('base64');
  expect(html).toContain(
    `content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-${hash}'; base-uri`,
  );
  expect(html).not.toMatch(/(?:https?:)?\/\/(?!www\.w3\.org)[a-z]/);
});

test('renderReportPage() truncates charts of many classes and tensors, but not tables', async () => {
  const report = sampleReport();
  const classes = Array.from({ length: 300 }, (_, index) => ({
    ...report.base.quality!.classes[index % 10]!,
    name: `class-${index}`,
  }));
  const layers = Array.from({ length: 120 }, (_, index) => ({
    ...report.candidates[0]!.layers[index % 14]!,
    tensor: `tensor-${index}`,
  }));
  const candidates = Array.from({ length: 40 }, (_, index) => ({
    ...report.candidates[index % 3]!,
    name: `payload ${index}`,
    quality: { ...report.base.quality!, classes },
    layers: index === 0 ? layers : [],
  }));
  const base = { quality: { ...report.base.quality!, classes } };
  const html = await renderReportPage({ ...report, candidates, base, full: base });
  const { tables, labels } = takeApart(html);
  expect(tables).toContain('class-299');
  expect(tables).toContain('tensor-119');
  expect(new Set(labels.filter((label) => label.startsWith('Base, class-'))).size).toBe(30);
  expect(new Set(labels.filter((label) => label.startsWith('tensor-'))).size).toBe(24);
});

test('renderReportPage() counts the tensors that a payload keeps, and leaves them out of charts', async () => {
  const report = sampleReport();
  const [candidate] = report.candidates as [(typeof report.candidates)[number]];
  const layers = candidate.layers.map((layer, i) => (i < 2 ? layer : { ...layer, changed: 0, change: 0 }));
  const html = await renderReportPage({ ...report, candidates: [{ ...candidate, layers }] });
  const { text, labels } = takeApart(html);
  expect(text).toContain(`${layers.length - 2} of ${layers.length} tensors are unchanged`);
  const charted = layers.filter(({ tensor }) => labels.some((label) => label.startsWith(`${tensor}:`)));
  expect(charted.map(({ tensor }) => tensor)).toEqual(layers.slice(0, 2).map(({ tensor }) => tensor));
});

test('renderReportPage() explains why a model was not measured', async () => {
  const report = sampleReport();
  const { quality, ...candidate } = report.candidates[0]!;
  const problem = 'the recipe has no test data';
  const html = await renderReportPage({ ...report, candidates: [{ ...candidate, problem }] });
  expect(quality).toBeDefined();
  expect(takeApart(html).text).toContain(problem);
});

test('renderGalleryPage() links to reports, and to nothing else', async () => {
  const entry = {
    title: 'Keywords',
    headline: 'Ship it.',
    isPassed: true,
    facts: [{ name: 'Bytes', value: '2,988' }],
  };
  const links = [
    'keywords.html',
    'https://example.com/a',
    'javascript:alert(1)',
    'data:text/html,x',
    '//example.com',
  ];
  const html = await renderGalleryPage(links.map((href) => ({ ...entry, href })));
  const addresses = Array.from(html.matchAll(/<a href="([^"]*)"/g), ([, href]) => href);
  expect(addresses).toEqual(['keywords.html', 'https://example.com/a']);
  expect(html.match(/<h2>/g)).toHaveLength(5);
});
