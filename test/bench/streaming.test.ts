import { expect, test } from 'vitest';
import { goalsOf, rowsOf, type StreamUnitResult } from '../../bench/streaming/result.js';

const thread = (load: number, changes: object = {}) => ({
  load,
  speed: 2e7,
  fullShare: 1,
  flops: 200_000,
  frames: 0.97,
  spoken: 100,
  hits: 80,
  hitsAtFalseAlarms: 0.7,
  falseAlarms: 10,
  edits: 25,
  hours: 0.5,
  waits: [0, 0.01, 0.02],
  latencies: [0.02, 0.03, 0.04],
  backlog: 0,
  ...changes,
});

const threads = (changes: object = {}) => [0.5, 2, 6].map((load) => thread(load, changes));

function unit(seed: number): StreamUnitResult {
  const cheap = threads({ flops: 50_000, frames: 0.968, hitsAtFalseAlarms: 0.695 });
  return {
    seed,
    variants: [
      { name: 'dense', threads: threads(), times: { plain: 0.4, wasm: 0.3, flops: 400_000 } },
      { name: 'full branch alone', threads: threads(), times: { plain: 0.2, wasm: 0.3, flops: 200_000 } },
      { name: 'pruned', threads: threads({ frames: 0.96 }) },
      { name: 'amortized', threads: cheap, times: { plain: 0.11, wasm: 0.3, flops: 100_000 } },
    ],
    updates: [],
  };
}

test('rowsOf() takes means over seeds, and counts words together', () => {
  const second = unit(2);
  const hits = second.variants.map((variant) => ({
    ...variant,
    threads: variant.threads.map((each) => ({ ...each, hits: 90, frames: each.frames + 0.002 })),
  }));
  const [dense] = rowsOf([unit(1), { ...second, variants: hits }]);
  expect(dense).toMatchObject({ model: 'dense', load: 0.5, words: 200, 'hits %': 85, 'frames %': 97.1 });
  expect(dense).toMatchObject({
    'false alarms/h': 20,
    'word error %': 25,
    'µs, plain': 400,
    'µs, wasm': 300,
  });
});

test('goalsOf() compares the amortized recogniser with the others, and its times with its computation', () => {
  const goals = new Map(goalsOf(rowsOf([unit(1)])).map(({ id, value }) => [id, value]));
  expect(goals.get('streaming.frames-behind-dense')).toBe(0.2);
  expect(goals.get('streaming.frames-behind-pruned')).toBe(-0.8);
  expect(goals.get('streaming.wait-p95-ms')).toBe(10);
  expect(goals.get('streaming.hits-at-equal-false-alarms-behind-dense')).toBe(0.5);
  // 0.275 of the time at 0.25 of the computation; with the other engine all of the time.
  expect(goals.get('streaming.time-off-flops-of-dense-plain')).toBe(0.1);
  expect(goals.get('streaming.time-off-flops-of-full-branch-alone-plain')).toBe(0.1);
  expect(goals.get('streaming.time-off-flops-of-dense-wasm')).toBe(3);
});
