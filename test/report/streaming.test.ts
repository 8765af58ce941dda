import { expect, test } from 'vitest';
import { assessStreams, formatFlops, streamTables } from '../../src/report/streaming.js';

const BRANCHES = [
  { name: 'small', flops: 1 },
  { name: 'large', flops: 4 },
];
const STREAMING = { frameSeconds: 0.5, branches: BRANCHES, threads: [4, 8] };

test('assessStreams() starts each stream without a backlog, and counts what is left at its end', () => {
  const routes = [Uint8Array.of(0, 1, 1), Uint8Array.of(), Uint8Array.of(1)];
  expect(assessStreams(STREAMING, { routes, flopsPerSecond: 4 })).toEqual({
    streams: 3,
    frames: 4,
    shares: [0.25, 0.75],
    computation: 13 / 16,
    latency: {
      p50: 1,
      p95: 1.5,
      p99: 1.5,
      distribution: [0.25, 1, 1, 1.5].flatMap((seconds) => Array(5).fill(seconds)),
    },
    longestBacklog: 1,
    metrics: [],
  });
  // Of two branches that cost the same, no rounding makes more than everything.
  const equal = { frameSeconds: 1, branches: BRANCHES.map(({ name }) => ({ name, flops: 0.1 })) };
  const { computation } = assessStreams(equal, { routes: [Uint8Array.of(0, 1, 1)], flopsPerSecond: 1 });
  expect(computation).toBe(1);
});

test('streamTables() has a table for each measured thread, and a column for each metric of any model', () => {
  const result = (metrics: Record<string, number>) =>
    assessStreams(STREAMING, { routes: [Uint8Array.of(0)], flopsPerSecond: 4, metrics });
  const models = [
    { name: 'a', streams: [result({ errors: 3 })] },
    { name: 'b' },
    { name: 'c', streams: [result({ score: 0.5 })] },
  ];
  const [table, ...others] = streamTables(STREAMING, models);
  expect(others).toEqual([]);
  expect(table?.caption).toBe('On a thread of 4 FLOP/s');
  expect(table?.columns.slice(-2)).toEqual(['errors', 'score']);
  expect(table?.rows.map(({ name, cells }) => [name, ...cells.slice(-2).map(({ value }) => value)])).toEqual([
    ['a', 3, undefined],
    ['c', undefined, 0.5],
  ]);
});

test.each([
  [96, '96 FLOP'],
  [0.25, '0.25 FLOP'],
  [1000, '1 kFLOP'],
  [2_400_000, '2.4 MFLOP'],
  [1.5e9, '1.5 GFLOP'],
  [1.2e19, '12,000 PFLOP'],
])('formatFlops(%d) gives %s', (flops, text) => {
  expect(formatFlops(flops)).toBe(text);
});
