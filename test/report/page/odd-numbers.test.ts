import { expect, test } from 'vitest';
import type { Report } from '../../../src/report/document.js';
import { renderReportPage } from '../../../src/report/page/render-pages.js';
import { createRandom } from '../../support.js';
import { sampleReport } from '../sample-report.js';
import { takeApart } from './page-text.js';

/** Parts that a document may lack, where they stand next to another one. */
const OPTIONAL: Readonly<Record<string, string>> = {
  quality: '',
  full: '',
  data: '',
  apply: '',
  versusBase: '',
  versusFull: '',
  frontier: '',
  sequence: '',
  fleet: '',
  trend: '',
  history: '',
  curves: '',
  precision: '',
  streaming: '',
  streams: 'quality',
  measured: '',
  test: '',
  grid: 'gridBytes',
  lossChange: '',
  gap: 'title',
  density: '',
  ship: '',
  note: '',
  direct: '',
  chain: '',
  next: 'tensors',
  name: 'index',
  value: 'isMet',
  negativeFlips: 'examples',
  accuracy: 'examples',
};
const NUMBERS = [0, 1, 1e-9, 0.5, 1e15, -0.25];
const LISTS_TO_EMPTY = [
  'candidates',
  'ways',
  'checks',
  'layers',
  'classes',
  'slices',
  'bins',
  'points',
  'rows',
  'history',
  'curves',
  'totals',
  'tensors',
  'options',
  'epochs',
  'streams',
  'threads',
  'branches',
  'shares',
  'distribution',
  'metrics',
];

test.each(Array.from({ length: 16 }, (_, seed) => seed))(
  'renderReportPage() draws reports with odd numbers, and with holes: seed %i',
  async (seed) => {
    const html = await renderReportPage(spoil(sampleReport(), createRandom(seed)));
    expect(takeApart(html).text).not.toMatch(/undefined|NaN|\[object|Infinity/);
    expect(html).not.toMatch(/(?:d|transform|x2|y2|viewBox)="[^"]*(?:NaN|Infinity|undefined)/);
  },
);

/**
 * @returns a report with some optional parts gone, some lists empty or of one, and some numbers at the edges
 */
function spoil(report: Report, random: () => number): Report {
  const chance = (share: number) => random() / 2 ** 32 < share;
  const mayGo = (key: string, parent: object) =>
    key in OPTIONAL && (OPTIONAL[key] === '' || OPTIONAL[key]! in parent) && !('confidence' in parent);
  const visit = (value: unknown, key: string): unknown => {
    if (typeof value === 'number') {
      return key !== 'version' && chance(0.1) ? NUMBERS[random() % NUMBERS.length] : value;
    }
    if (Array.isArray(value)) {
      const kept = LISTS_TO_EMPTY.includes(key) && chance(0.15) ? value.slice(0, random() % 2) : value;
      return kept.map((one) => visit(one, key));
    }
    if (typeof value !== 'object' || value === null) return value;
    const kept = Object.entries(value).filter(([name]) => !(mayGo(name, value) && chance(0.12)));
    return Object.fromEntries(kept.map(([name, one]) => [name, visit(one, name)]));
  };
  return visit(report, '') as Report;
}
