// Draws the README's chart of size against accuracy from bench/results/accuracy.json, or with --check
// compares it.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { drawSvg } from '../src/report/page/charts/draw.js';
import { lookChannels } from '../src/report/page/charts/scales.js';
import { type Series, seriesAt } from '../src/report/page/view.js';

const FOLDER = join('docs', 'images');
const RESULTS = join('bench', 'results', 'accuracy.json');

/** A row of the bench's document. */
interface Row {
  readonly task: string;
  readonly method: string;
  readonly share: number;
  /** Accuracy of the full fine-tune less that of the method, as a fraction of 1. */
  readonly gap: number;
}

/** A line of the chart: methods of the bench that it joins, and how it looks. */
interface Line extends Series {
  readonly methods: readonly string[];
  readonly size: number;
  readonly strokeWidth: number;
}

const line = (index: number, name: string, methods: readonly string[]): Line => ({
  ...seriesAt(index, name),
  methods,
  ...(index < 2 ? { size: 90, strokeWidth: 2.5 } : { size: 52, strokeWidth: 1 }),
});

/** What the package makes first, then what else could be shipped. */
const LINES: readonly Line[] = [
  line(0, 'hash diff', ['hash']),
  line(1, 'sparse diff', ['sparse']),
  line(2, 'low-rank update', ['low-rank']),
  line(3, 'pruned model', ['pruned']),
];

const TASKS = [
  { task: 'keywords', title: 'Keywords, 614 kB' },
  { task: 'garments', title: 'Garments, 526 kB' },
  { task: 'emoji', title: 'Emoji, 605 kB' },
  { task: 'intents', title: 'Intents, 638 kB' },
  { task: 'email', title: 'Email, 589 kB' },
];

/** The style sheet's colours of both schemes: an image cannot use those of the page. */
const SCHEMES = {
  light:
    '--text:#1b1b1f;--quiet:#5a5a64;--line:#dcdce2;--base:#8a5a00;--full:#1b1b1f;--series-1:#2251c9;--series-2:#c2410c;--series-3:#0f766e;--series-4:#8b3fa8;--series-5:#7a6a00;--series-6:#be2a6b',
  dark: '--text:#ececf1;--quiet:#a9a9b5;--line:#34343d;--base:#e5b454;--full:#ececf1;--series-1:#8fb0ff;--series-2:#ff9d66;--series-3:#5bd3c2;--series-4:#d9a3f2;--series-5:#d8c958;--series-6:#ff8fbd',
};

const WIDTH = 800;
const HEIGHT = 394;
const PLOT = { width: 137, height: 268, top: 78 };

const PERCENT = "format(datum.value, '~r')";
const POINTS = "datum.value === 0 ? '0' : format(datum.value, 'd')";

const X = {
  field: 'percent',
  type: 'quantitative',
  scale: { type: 'log', domain: [0.08, 1.3], nice: false },
  axis: { values: [0.1, 0.2, 0.5, 1], labelExpr: PERCENT, title: null, grid: true },
};

const yChannel = (isFirst: boolean): object => ({
  field: 'points',
  type: 'quantitative',
  scale: { type: 'symlog', constant: 1, domain: [-48, 1.5], nice: false },
  axis: {
    values: [0, -1, -2, -5, -10, -20, -40],
    title: null,
    grid: true,
    labels: isFirst,
    labelExpr: POINTS,
  },
});

function ruleLayers(rows: readonly Row[], y: object): object[] {
  const base = rows.find(({ method }) => method === 'base');
  const left = { align: 'left', x: 3 };
  const right = { align: 'right', x: 'width', dx: -2 };
  const values = [
    { name: 'full fine-tune', points: 0, colour: 'var(--full)', place: { ...left, dy: -19 } },
    {
      name: 'base model',
      colour: 'var(--base)',
      place: { ...right, dy: 12 },
      points: -100 * (base?.gap ?? 0),
    },
  ];
  const fill = { field: 'colour', type: 'nominal', scale: null };
  return values.flatMap(({ place, ...value }) => {
    const data = { values: [value] };
    const rule = { type: 'rule', strokeDash: [5, 4], strokeWidth: 1.5 };
    const text = { type: 'text', ...place, fontSize: 11 };
    return [
      { data, mark: rule, encoding: { y, stroke: fill } },
      { data, mark: text, encoding: { y, fill, text: { field: 'name' } } },
    ];
  });
}

function lineLayers(rows: readonly Row[], y: object): object[] {
  const { fill, shape } = lookChannels(LINES);
  return LINES.flatMap(({ methods, size, strokeWidth }, series) => {
    const values = rows
      .filter(({ method }) => methods.includes(method))
      .map(({ share, gap }) => ({ series, percent: 100 * share, points: -100 * gap }));
    const data = { values };
    const joined = { type: 'line', strokeWidth, interpolate: 'linear', clip: true };
    const point = { type: 'point', size, filled: true, opacity: 1, aria: false };
    return [
      { data, mark: joined, encoding: { x: X, y, stroke: fill } },
      { data, mark: point, encoding: { x: X, y, fill, shape } },
    ];
  });
}

async function drawPanel(rows: readonly Row[], index: number): Promise<string> {
  const isFirst = index === 0;
  const left = isFirst ? 46 : 12;
  const margins = { left, right: 2, top: 4, bottom: 28 };
  const y = yChannel(isFirst);
  const width = left + PLOT.width + margins.right;
  const chart = {
    label: TASKS[index]?.title ?? '',
    height: PLOT.height,
    margins,
    layers: [...ruleLayers(rows, y), ...lineLayers(rows, y)],
  };
  const svg = await drawSvg(width, chart);
  const place = `x="${offset(index)}" y="${PLOT.top}" width="${width}" height="${PLOT.height + 32}"`;
  return svg.replace('<svg role="group"', () => `<svg ${place} role="img"`);
}

/** @returns where a panel begins: the first has the labels of the y axis */
function offset(index: number): number {
  return 2 + (index === 0 ? 0 : 48 + PLOT.width + (index - 1) * (14 + PLOT.width));
}

function legend(): string {
  const columns = [48, 136, 234, 356];
  const marks = LINES.map(({ name, colour, shape }, index) => {
    const weight = index < 2 ? ' font-weight="600"' : '';
    return `<g transform="translate(${columns[index]},36)"><path d="${shape}" transform="scale(5)" fill="${colour}"/><text x="10" y="4" fill="var(--text)"${weight}>${name}</text></g>`;
  });
  return marks.join('');
}

const { rows } = JSON.parse(readFileSync(RESULTS, 'utf8')) as { rows: readonly Row[] };
const panels = await Promise.all(
  TASKS.map(({ task }, index) =>
    drawPanel(
      rows.filter((row) => row.task === task),
      index,
    ),
  ),
);
const titles = TASKS.map(
  ({ title }, index) =>
    `<text x="${offset(index) + (index === 0 ? 46 : 12)}" y="${PLOT.top - 10}" fill="var(--text)" font-weight="600">${title}</text>`,
);
const label =
  'Accuracy compared with the full fine-tune against bytes shipped, for five tasks: hash diffs, sparse diffs and other methods';

for (const [scheme, colours] of Object.entries(SCHEMES)) {
  const path = join(FOLDER, `size-accuracy-${scheme}.svg`);
  const svg = [
    `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${label}">`,
    `<style>svg{${colours}}text{font-family:system-ui,-apple-system,"Segoe UI",sans-serif;font-size:12px}</style>`,
    `<text x="48" y="14" fill="var(--text)">Points of accuracy above or below the full fine-tune, mean of three seeds</text>`,
    legend(),
    ...titles,
    ...panels,
    `<text x="${WIDTH - 6}" y="${HEIGHT - 8}" text-anchor="end" fill="var(--quiet)">bytes shipped, in percent of the float32 model</text>`,
    '</svg>\n',
  ].join('\n');
  if (!process.argv.includes('--check')) {
    mkdirSync(FOLDER, { recursive: true });
    writeFileSync(path, svg);
  } else if (readFileSync(path, 'utf8') !== svg) {
    process.stderr.write(`${path} is not what ${RESULTS} gives: run "npm run generate -- chart"\n`);
    process.exitCode = 1;
  }
}
