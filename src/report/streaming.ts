import { percentilesOf, simulateStream } from './stream-simulator.js';
import { formatNumber, formatPercent, formatSmall } from './words.js';

/** The streams on which models were measured, the same for all. */
export interface Streaming {
  /** Time from one frame to the next. */
  readonly frameSeconds: number;
  /** The ways through the model, with the FLOPs of a frame that takes them, in the order of the recipe. */
  readonly branches: readonly { readonly name: string; readonly flops: number }[];
  /** Speeds of the simulated threads, in FLOP/s. */
  readonly threads: readonly number[];
}

/** How a model worked through all streams on one thread. */
export interface StreamResult {
  readonly streams: number;
  /** Of all streams together. */
  readonly frames: number;
  /** Share of the frames that took each branch, in the order of the branches. */
  readonly shares: readonly number[];
  /** FLOPs as a share of those with the most expensive branch in every frame. */
  readonly computation: number;
  /** Seconds from a frame's arrival to the end of its processing: nearest ranks over the frames. */
  readonly latency: {
    readonly p50: number;
    readonly p95: number;
    readonly p99: number;
    /** At 5, 10, … 100 % of the frames. */
    readonly distribution: readonly number[];
  };
  /** Most seconds of work left of earlier frames when a frame arrives, or would after the last one. */
  readonly longestBacklog: number;
  /** What the recipe measured, in its order. */
  readonly metrics: readonly { readonly name: string; readonly value: number }[];
}

/** Shares of the frames at which the distribution of latencies is given. */
export const LATENCY_SHARES: readonly number[] = Array.from({ length: 20 }, (_, i) => (i + 1) / 20);

/** What a model did with the streams on a thread. */
export interface RoutedStreams {
  /** For each stream, for each frame the index of its branch. */
  readonly routes: readonly Uint8Array[];
  readonly metrics?: Readonly<Record<string, number>>;
  readonly flopsPerSecond: number;
}

/**
 * Simulates streams, each on its own, and sums up.
 *
 * @param routed at least one frame
 */
export function assessStreams(
  { frameSeconds, branches }: Omit<Streaming, 'threads'>,
  { routes, metrics = {}, flopsPerSecond }: RoutedStreams,
): StreamResult {
  const costs = branches.map(({ flops }) => flops);
  const frames = routes.reduce((sum, { length }) => sum + length, 0);
  const counts = costs.map(() => 0);
  const latencies = new Float64Array(frames);
  let done = 0;
  let longestBacklog = 0;
  for (const route of routes) {
    for (const branch of route) (counts[branch] as number)++;
    const flops = Float64Array.from(route, (branch) => costs[branch] as number);
    const stream = simulateStream(flops, { frameSeconds, flopsPerSecond });
    latencies.set(stream.latencies, done);
    done += route.length;
    longestBacklog = stream.waits.reduce((most, wait) => Math.max(most, wait), longestBacklog);
    longestBacklog = Math.max(longestBacklog, stream.backlog);
  }
  const spent = counts.reduce((sum, count, i) => sum + count * (costs[i] as number), 0);
  const [p50, p95, p99, ...distribution] = percentilesOf(latencies, [0.5, 0.95, 0.99, ...LATENCY_SHARES]);
  return {
    streams: routes.length,
    frames,
    shares: counts.map((count) => count / frames),
    computation: Math.min(1, spent / (frames * Math.max(...costs))),
    latency: { p50: p50 as number, p95: p95 as number, p99: p99 as number, distribution },
    longestBacklog,
    metrics: Object.entries(metrics).map(([name, value]) => ({ name, value })),
  };
}

/** A model of a report with its results on each thread. */
export interface StreamedModel<T> {
  /** How the report names it. */
  readonly name: T;
  readonly streams?: readonly StreamResult[] | undefined;
}

/** A table of the results on one thread. */
export interface StreamTable<T> {
  readonly caption: string;
  /** Headings of the columns with numbers. */
  readonly columns: readonly string[];
  readonly rows: readonly { readonly name: T; readonly cells: readonly StreamCell[] }[];
}

/** A number, absent if it was not measured, and how it is written. */
interface StreamCell {
  readonly value: number | undefined;
  readonly format: (value: number) => string;
}

/** @returns a table for each thread that any model was measured on */
export function streamTables<T>(
  { branches, threads }: Streaming,
  models: readonly StreamedModel<T>[],
): StreamTable<T>[] {
  return threads.flatMap((flopsPerSecond, thread) => {
    const measured = models.flatMap(({ name, streams }) => {
      const result = streams?.[thread];
      return result === undefined ? [] : [{ name, result }];
    });
    if (measured.length === 0) return [];
    const columns = columnsOf(
      branches.map(({ name }) => name),
      measured.map(({ result }) => result),
    );
    const rows = measured.map(({ name, result }) => ({
      name,
      cells: columns.map(({ read, format }) => ({ value: read(result), format })),
    }));
    const caption = `On a thread of ${formatFlops(flopsPerSecond)}/s`;
    return [{ caption, columns: columns.map(({ title }) => title), rows }];
  });
}

interface StreamColumn {
  readonly title: string;
  readonly read: (result: StreamResult) => number | undefined;
  readonly format: (value: number) => string;
}

function columnsOf(branches: readonly string[], results: readonly StreamResult[]): StreamColumn[] {
  const format = (seconds: number): string => formatSmall(1000 * seconds);
  const metrics = new Set(results.flatMap((result) => result.metrics.map(({ name }) => name)));
  return [
    { title: 'Computation', read: ({ computation }) => computation, format: formatPercent },
    ...branches.map((name, i) => ({
      title: `Frames in ${name}`,
      read: ({ shares }: StreamResult) => shares[i],
      format: formatPercent,
    })),
    ...(['p50', 'p95', 'p99'] as const).map((rank) => ({
      title: `Latency ${rank}, ms`,
      read: ({ latency }: StreamResult) => latency[rank],
      format,
    })),
    { title: 'Longest backlog, ms', read: ({ longestBacklog }) => longestBacklog, format },
    ...[...metrics].map((title) => ({
      title,
      read: (result: StreamResult) => result.metrics.find(({ name }) => name === title)?.value,
      format: (value: number) => (Number.isInteger(value) ? formatNumber(value) : formatSmall(value)),
    })),
  ];
}

/** @returns what the tables show, in sentences */
export function streamingWords(
  { frameSeconds, branches }: Streaming,
  models: readonly StreamedModel<unknown>[],
): string[] {
  const results = models.flatMap(({ streams = [] }) => streams);
  const sizes = results.map(
    ({ frames, streams }) => `${countOf(frames, 'frame')} in ${countOf(streams, 'stream')}`,
  );
  const size = new Set(sizes).size === 1 ? `: ${sizes[0]}, each without a backlog at its start` : '';
  const costs = branches.map(({ name, flops }) => `${name} ${formatFlops(flops)}`);
  return [
    `A frame arrives every ${short(formatSmall(1000 * frameSeconds))} ms, and one thread processes the frames in order${size}.`,
    `The model chooses a branch for each frame. FLOPs of a frame by branch: ${costs.join(', ')}.`,
    'Computation: FLOPs relative to the most expensive branch in every frame.',
    'Latency: time from the arrival of a frame to the end of its processing, from FLOPs and the speed of the thread. 95 % of the frames have at most the latency p95.',
    'Backlog: frames that wait, as the time that the thread still needs for earlier frames when the next one arrives.',
  ];
}

function countOf(count: number, what: string): string {
  return `${formatNumber(count)} ${what}${count === 1 ? '' : 's'}`;
}

const UNITS = ['', 'k', 'M', 'G', 'T', 'P'];

/** @returns FLOPs with three significant digits: `12 MFLOP`, `1.25 GFLOP` */
export function formatFlops(flops: number): string {
  const unit = Math.max(0, UNITS.filter((_, i) => flops >= 1000 ** i).length - 1);
  return `${short(formatSmall(flops / 1000 ** unit))} ${UNITS[unit]}FLOP`;
}

/** @returns a number without zeros at the end of its decimals */
function short(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}
