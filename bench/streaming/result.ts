import type { Goal } from '../common/report.js';
import { denseFlops, FALSE_ALARMS, LOADS, type ThreadResult } from './evaluate.js';
import type { FrameTimes } from './time-frames.js';
import { AMORTIZED, DENSE_NAME, FULL_NAME, WITHOUT_LATENCY } from './variants.js';

/** One seed. */
export interface StreamUnit {
  readonly seed: number;
  readonly quick: boolean;
  /** Whether to train updates too. */
  readonly updates: boolean;
}

export interface VariantResult {
  readonly name: string;
  readonly threads: readonly ThreadResult[];
  readonly times?: FrameTimes;
}

export interface UpdateResult {
  readonly purpose: string;
  readonly method: string;
  readonly bytes: number;
  readonly threads: readonly ThreadResult[];
}

export interface StreamUnitResult {
  readonly seed: number;
  readonly variants: readonly VariantResult[];
  readonly updates: readonly UpdateResult[];
}

type Row = Readonly<Record<string, string | number | null>>;

const meanOf = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

const percent = (share: number): number => Number((100 * share).toFixed(2));

const milliseconds = (seconds: number): number => Number((1000 * seconds).toFixed(1));

const EQUAL_HITS = `hits % at ${FALSE_ALARMS}/h`;

/** @returns columns of one thread, over the seeds */
function columnsOf(threads: readonly ThreadResult[]): Row {
  const sum = (of: (thread: ThreadResult) => number): number =>
    threads.reduce((all, each) => all + of(each), 0);
  const mean = (of: (thread: ThreadResult) => number): number => meanOf(threads.map(of));
  const spoken = sum((each) => each.spoken);
  return {
    load: threads[0]?.load ?? null,
    'MFLOP/s': Math.round(mean(({ speed }) => speed) / 1e6),
    'full branch %': percent(mean(({ fullShare }) => fullShare)),
    'FLOPs %': percent(mean(({ flops }) => flops) / denseFlops()),
    'frames %': percent(mean(({ frames }) => frames)),
    'hits %': percent(sum(({ hits }) => hits) / spoken),
    [EQUAL_HITS]: percent(sum((each) => each.hitsAtFalseAlarms * each.spoken) / spoken),
    'false alarms/h': Number((sum(({ falseAlarms }) => falseAlarms) / sum(({ hours }) => hours)).toFixed(1)),
    'word error %': percent(sum(({ edits }) => edits) / spoken),
    words: spoken,
    'wait p50 ms': milliseconds(mean(({ waits }) => waits[0] as number)),
    'wait p95 ms': milliseconds(mean(({ waits }) => waits[1] as number)),
    'latency p50 ms': milliseconds(mean(({ latencies }) => latencies[0] as number)),
    'latency p95 ms': milliseconds(mean(({ latencies }) => latencies[1] as number)),
    'latency p99 ms': milliseconds(mean(({ latencies }) => latencies[2] as number)),
    'backlog ms': milliseconds(mean(({ backlog }) => backlog)),
  };
}

/** @returns a row for every recogniser and thread, then one for every update and thread */
export function rowsOf(results: readonly StreamUnitResult[]): Row[] {
  const [first] = results as [StreamUnitResult];
  const variants = first.variants.flatMap(({ name, threads, times }, v) =>
    threads.map((_, t) => ({
      model: name,
      bytes: null,
      ...columnsOf(results.map(({ variants }) => variants[v]?.threads[t] as ThreadResult)),
      'µs, plain': t > 0 || !times ? null : timeOf(results, v, 'plain'),
      'µs, wasm': t > 0 || !times ? null : timeOf(results, v, 'wasm'),
      'kFLOP, timed': t > 0 || !times ? null : timeOf(results, v, 'flops') / 1e6,
    })),
  );
  const updates = first.updates.flatMap(({ purpose, method, threads }, u) =>
    threads.map((_, t) => ({
      model: `${purpose}: ${method}`,
      bytes: Math.max(...results.map(({ updates }) => updates[u]?.bytes as number)),
      ...columnsOf(results.map(({ updates }) => updates[u]?.threads[t] as ThreadResult)),
      'µs, plain': null,
      'µs, wasm': null,
      'kFLOP, timed': null,
    })),
  );
  return [...variants, ...updates];
}

function timeOf(results: readonly StreamUnitResult[], variant: number, engine: keyof FrameTimes): number {
  const times = results.map(({ variants }) => variants[variant]?.times?.[engine] as number);
  return Number((1000 * meanOf(times)).toFixed(1));
}

function atMost(id: string, value: number, goal: number): Goal {
  return { id: `streaming.${id}`, value: Number(value.toFixed(4)), goal, better: 'lower' };
}

const idOf = (model: string): string => model.replaceAll(' ', '-');

/** @returns the goals: the amortized recogniser against the others */
export function goalsOf(rows: readonly Row[]): Goal[] {
  const at = (model: string, load: number, column: string): number => {
    const row = rows.find((each) => each.model === model && each.load === load);
    return (row?.[column] ?? Number.NaN) as number;
  };
  const [idle, busy, slowest] = LOADS;
  const flops = at(AMORTIZED, idle, 'FLOPs %');
  const behind = (other: string, column: string): number =>
    Number((at(other, idle, column) - at(AMORTIZED, idle, column)).toFixed(2));
  const timeRatio = (engine: string, other: string): number => {
    const ratio = (column: string): number => at(AMORTIZED, idle, column) / at(other, idle, column);
    return Math.abs(ratio(engine) / ratio('kFLOP, timed') - 1);
  };
  return [
    atMost('computation-percent', flops, 55),
    atMost('computation-percent-of-full-branch', (100 * flops) / at(FULL_NAME, idle, 'FLOPs %'), 55),
    ...[DENSE_NAME, FULL_NAME].flatMap((other) => [
      atMost(`frames-behind-${idOf(other)}`, behind(other, 'frames %'), 0.3),
      atMost(`hits-behind-${idOf(other)}`, behind(other, 'hits %'), 0.3),
      atMost(`hits-at-equal-false-alarms-behind-${idOf(other)}`, behind(other, EQUAL_HITS), 0.3),
    ]),
    ...['pruned', 'factorised', 'switched by energy'].flatMap((other) => [
      atMost(`frames-behind-${idOf(other)}`, behind(other, 'frames %'), 0),
      atMost(`word-errors-above-${idOf(other)}`, -behind(other, 'word error %'), 0),
    ]),
    atMost('wait-p95-ms', at(AMORTIZED, busy, 'wait p95 ms'), 50),
    atMost('wait-p95-ms-slowest', at(AMORTIZED, slowest, 'wait p95 ms'), 50),
    {
      id: 'streaming.wait-without-latency-term',
      value: at(WITHOUT_LATENCY, slowest, 'wait p95 ms'),
      goal: at(AMORTIZED, slowest, 'wait p95 ms'),
      better: 'higher',
    },
    ...['plain', 'wasm'].flatMap((engine) =>
      [DENSE_NAME, FULL_NAME].map((other) =>
        atMost(`time-off-flops-of-${idOf(other)}-${engine}`, timeRatio(`µs, ${engine}`, other), 0.15),
      ),
    ),
    ...updateGoals(rows, idle),
  ];
}

/** @returns how much of the saving each update loses, and how far whole updates are behind */
function updateGoals(rows: readonly Row[], idle: number): Goal[] {
  const own = rows.filter(({ model, load }) => String(model).includes('new words') && load === idle);
  if (own.length === 0) return [];
  const column = (row: Row | undefined, name: string): number => (row?.[name] ?? Number.NaN) as number;
  const of = (text: string): Row | undefined => own.find(({ model }) => String(model).endsWith(text));
  const base = column(of('whole: base'), 'FLOPs %');
  const diffs = own.filter(({ model }) => /(hash|sparse) /.test(String(model)));
  const lost = Math.max(...diffs.map((row) => column(row, 'FLOPs %') - base));
  const full = column(of('whole: full fine-tune'), 'frames %');
  const gap = (kind: string): number => full - column(of(`whole: ${kind} 0.5%`), 'frames %');
  return [
    atMost('updates.saving-lost-points', lost, 2),
    atMost('updates.hash-behind-at-0.5', gap('hash'), 0.5),
    atMost('updates.sparse-behind-at-0.5', gap('sparse'), 1),
  ];
}
