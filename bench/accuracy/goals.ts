import { bdRate } from '../common/bd-rate.js';
import type { Goal } from '../common/report.js';
import { type AccuracyRow, curveOf, type UnitResult } from './result.js';

/** Tasks whose network is convolutional: their gaps must be smaller. */
const CONVOLUTIONAL = new Set(['keywords', 'garments', 'emoji']);

/** Largest gap to the full fine-tune, by percent of the float32 model. */
const HASH_GAPS = { '0.5': 0.005, '0.3': 0.01, '0.2': 0.02, '0.1': 0.03 } as const;
const CONVOLUTIONAL_GAPS = { ...HASH_GAPS, '0.5': 0.002, '0.2': 0.005 } as const;
const SPARSE_GAPS = { '0.5': 0.01 } as const;

/** Percents at which diffs must be ahead of every other method of at most that size. */
const LEADS = [0.2, 0.5, 1];

/** Most bytes at equal accuracy, against the best other methods: 60 % fewer. */
const RATE = -0.6;

/** @returns the goals of one task, those of budgets that were not measured left out */
export function goalsOf(rows: readonly AccuracyRow[], results: readonly UnitResult[]): Goal[] {
  const [{ task, points }] = results as [UnitResult];
  const ours = new Set(points.filter(({ isOurs }) => isOurs).map(({ method }) => method));
  const others = new Set(points.filter(({ isOurs }) => !isOurs).map(({ method }) => method));
  const gapsOf = (method: string, gaps: Readonly<Record<string, number>>): Goal[] =>
    rows
      .filter((row) => row.method === method && gaps[String(row.percent)] !== undefined)
      .map(({ percent, gap }) => ({
        id: `accuracy.${task}.${method}-gap-at-${percent}`,
        value: gap,
        goal: gaps[String(percent)] as number,
        better: 'lower',
      }));
  const leads = LEADS.flatMap((percent): Goal[] => {
    const [own, other] = [bestOf(rows, ours, percent), bestOf(rows, others, percent)];
    const id = `accuracy.${task}.lead-at-${percent}`;
    return own === null || other === null ? [] : [{ id, value: own - other, goal: 0, better: 'higher' }];
  });
  const [base, full] = rows as [AccuracyRow, AccuracyRow];
  // The best of the others at every size: points that a smaller one exceeds are left out by `bdRate`.
  const rate = bdRate(
    curveOf(rows, ({ method }) => others.has(method)),
    curveOf(rows, ({ method }) => method === 'hash'),
  );
  return [
    ...gapsOf('hash', CONVOLUTIONAL.has(task) ? CONVOLUTIONAL_GAPS : HASH_GAPS),
    ...gapsOf('sparse', SPARSE_GAPS),
    { id: `accuracy.${task}.full`, value: full.mean, goal: base.mean as number, better: 'higher' },
    ...leads,
    { id: `accuracy.${task}.hash-rate-vs-others`, value: rate, goal: RATE, better: 'lower' },
  ];
}

/** @returns the best mean accuracy of some methods within a size, or null if none is that small */
function bestOf(rows: readonly AccuracyRow[], methods: ReadonlySet<string>, percent: number): number | null {
  const within = rows.filter(
    ({ method, share }) => methods.has(method) && share !== null && share <= percent / 100,
  );
  return within.length === 0 ? null : Math.max(...within.map(({ mean }) => mean as number));
}
