import { expect, test } from 'vitest';
import type { ChangedTensor } from '../../src/exact-diff/coding-trial.js';
import { chooseCodings, createLaneReaders, groupTensors } from '../../src/exact-diff/encode-groups.js';
import { createLane } from '../../src/exact-diff/lane.js';
import type { WeightStore } from '../../src/model/store.js';
import { byteLength } from '../../src/model/tensor.js';
import { codeOf, createRandom, seededBytes } from '../support.js';

const changed = (name: string, elements: number): ChangedTensor => {
  return { info: { name, dtype: 'float32', shape: [elements] }, count: 1 };
};

test('groupTensors() keeps the order and makes groups large enough for a record each', () => {
  const random = createRandom(3);
  for (const [tensors, most] of [
    [1, 10],
    [50, 2 ** 24],
    [3_000, 2 ** 23],
    [20_000, 1_000],
  ] as const) {
    const all = Array.from({ length: tensors }, (_, i) => changed(`w${i}`, random() % most));
    const groups = groupTensors(all);
    expect(groups.flat()).toEqual(all);
    const sizes = groups.map((group) => group.reduce((sum, { info }) => sum + byteLength(info), 0));
    expect(groups.length).toBeLessThanOrEqual(101);
    expect(Math.min(2 ** 25, ...sizes.slice(0, -1))).toBe(2 ** 25);
  }
  expect(groupTensors([])).toEqual([]);
});

test('chooseCodings() does not mistake changes in the last rows for changes everywhere', async () => {
  const info = { name: 'w', dtype: 'float32' as const, shape: [2 ** 14, 2 ** 12] };
  const [first, count] = [byteLength(info) - 4 * 2 ** 13, 2 ** 13];
  const store = (seed: number): WeightStore => ({
    tensors: [info],
    async readInto(_name, byteOffset, target) {
      target.fill(0);
      const from = Math.max(0, first - byteOffset);
      if (from < target.length) target.set(seededBytes(seed, target.length - from), from);
    },
    async write() {},
    async flush() {},
    async close() {},
  });
  const stations = createLaneReaders([createLane()], { base: store(1), next: store(2) });
  const [coded] = await chooseCodings({ lanes: stations, infos: [info] }, [[{ info, count }]], {
    onBytes: () => {},
  });
  const bytes = coded?.[0]?.bytes as number;
  expect(bytes).toBeGreaterThan(2 * count);
  expect(bytes).toBeLessThan(8 * count);
});

test('chooseCodings() refuses diffs too large for a payload before coding them', async () => {
  // 128 GiB of noise, of which nothing lies anywhere.
  const tensors = Array.from({ length: 2 }, (_, i) => ({
    name: `w${i}`,
    dtype: 'float32' as const,
    shape: [2 ** 17, 2 ** 17],
  }));
  const noise = (seed: number): WeightStore => ({
    tensors,
    async readInto(_name, byteOffset, target) {
      target.set(seededBytes(seed + byteOffset, target.length));
    },
    async write() {},
    async flush() {},
    async close() {},
  });
  const stations = createLaneReaders([createLane()], { base: noise(1), next: noise(2) });
  const groups = groupTensors(tensors.map((info) => ({ info, count: 2 ** 34 })));
  const choose = () => chooseCodings({ lanes: stations, infos: tensors }, groups, { onBytes: () => {} });
  expect(await codeOf(choose)).toBe('limit-exceeded');
  // One of them fits.
  const [coded] = await chooseCodings({ lanes: stations, infos: tensors }, [groups[0] as ChangedTensor[]], {
    onBytes: () => {},
  });
  expect(coded?.map(({ info }) => info.name)).toEqual(['w0']);
});
