import { expect, test } from 'vitest';
import { percentilesOf, simulateStream } from '../../src/report/stream-simulator.js';
import { createRandom } from '../support.js';

/** A queue moment by moment: a frame starts when it has arrived and the frame before it is done. */
function runQueue(flops: readonly number[], frameSeconds: number, flopsPerSecond: number) {
  let free = 0;
  const frames = flops.map((cost, t) => {
    const arrival = t * frameSeconds;
    const start = Math.max(arrival, free);
    free = start + cost / flopsPerSecond;
    return { latency: free - arrival, wait: start - arrival };
  });
  return {
    latencies: Float64Array.from(frames, ({ latency }) => latency),
    waits: Float64Array.from(frames, ({ wait }) => wait),
    backlog: Math.max(0, free - flops.length * frameSeconds),
  };
}

test.each(Array.from({ length: 40 }, (_, seed) => seed))(
  'simulateStream() does what a queue does, moment by moment: seed %i',
  (seed) => {
    const random = createRandom(seed);
    // Powers of two: no sum is rounded.
    const [frameSeconds, flopsPerSecond] = [(1 + (random() % 16)) / 64, 2 ** (8 + (random() % 8))];
    const most = 1 + (random() % 4);
    const flops = Array.from(
      { length: random() % 200 },
      () => random() % (most * flopsPerSecond * frameSeconds),
    );
    const found = simulateStream(flops, { frameSeconds, flopsPerSecond });
    expect(found).toEqual(runQueue(flops, frameSeconds, flopsPerSecond));
    const typed = simulateStream(Float64Array.from(flops), { frameSeconds, flopsPerSecond });
    expect(typed).toEqual(found);
  },
);

test('simulateStream() of frames that a thread keeps up with has no waits, and of no frames nothing', () => {
  const thread = { frameSeconds: 0.5, flopsPerSecond: 4 };
  expect(simulateStream([2, 0, 1], thread)).toEqual({
    latencies: Float64Array.of(0.5, 0, 0.25),
    waits: Float64Array.of(0, 0, 0),
    backlog: 0,
  });
  expect(simulateStream([4, 2, 0], thread)).toEqual({
    latencies: Float64Array.of(1, 1, 0.5),
    waits: Float64Array.of(0, 0.5, 0.5),
    backlog: 0,
  });
  expect(simulateStream([], thread)).toEqual({
    latencies: new Float64Array(),
    waits: new Float64Array(),
    backlog: 0,
  });
});

const NONE = [0, -1, Number.NaN, Number.POSITIVE_INFINITY];

test('simulateStream() refuses intervals, speeds and costs that are none', () => {
  for (const value of NONE) {
    expect(() => simulateStream([], { frameSeconds: value, flopsPerSecond: 1 })).toThrow(
      new RangeError(
        `Cannot simulate stream: expected a positive, finite number of seconds between frames, got ${value}`,
      ),
    );
    expect(() => simulateStream([], { frameSeconds: 1, flopsPerSecond: value })).toThrow(
      new RangeError(`Cannot simulate stream: expected a positive, finite number of FLOP/s, got ${value}`),
    );
  }
  for (const cost of NONE.slice(1))
    expect(() => simulateStream([1, cost], { frameSeconds: 1, flopsPerSecond: 1 })).toThrow(
      new RangeError(`Cannot simulate stream: expected frame 1 to cost 0 FLOPs or more, got ${cost}`),
    );
});

test.each(Array.from({ length: 20 }, (_, seed) => seed))(
  'percentilesOf() finds the least value that a share of all do not exceed: seed %i',
  (seed) => {
    const random = createRandom(seed);
    const values = Array.from({ length: 1 + (random() % 120) }, () => random() % 50);
    for (let percent = 1; percent <= 100; percent++) {
      const [found = -1] = percentilesOf(values, [percent / 100]);
      const upTo = (most: number) => values.filter((value) => value <= most).length;
      const below = values.filter((value) => value < found).length;
      expect(values).toContain(found);
      // In whole numbers, as 0.07 * 100 is more than 7.
      expect(100 * upTo(found)).toBeGreaterThanOrEqual(percent * values.length);
      expect(100 * below).toBeLessThan(percent * values.length);
    }
    expect(percentilesOf(values, [0, 1])).toEqual([Math.min(...values), Math.max(...values)]);
  },
);

test('percentilesOf() keeps what it is given, and refuses no values and shares that are none', () => {
  const values = [3, 1, 2];
  expect([percentilesOf(values, [0.5, 0.34, 0.33]), values]).toEqual([
    [2, 2, 1],
    [3, 1, 2],
  ]);
  expect(() => percentilesOf([], [0.5])).toThrow(RangeError);
  for (const share of [-0.1, 1.1, Number.NaN]) expect(() => percentilesOf([1], [share])).toThrow(RangeError);
});
