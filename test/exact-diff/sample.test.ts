import { expect, test } from 'vitest';
import { PairReader } from '../../src/exact-diff/borrow-pairs.js';
import { Sampler } from '../../src/exact-diff/sample.js';
import { openMemoryStore, type Tensor } from '../../src/model/index.js';
import { seededTensor } from '../support.js';

/** Both of several pieces; the second one smaller. */
const base = [seededTensor('a', 'float32', [500, 1_000], 1), seededTensor('b', 'float16', [300, 1_000], 2)];
const next = base.map((tensor) => ({
  ...tensor,
  bytes: tensor.bytes.map((byte, i) => byte ^ (i % 3 === 0 ? 1 : 0)),
}));

test('Sampler.borrow() gives samples of any tensor in the memory of the one before', async () => {
  const stores = { base: openMemoryStore({ tensors: base }), next: openMemoryStore({ tensors: next }) };
  const [a, b] = base as [Tensor, Tensor];
  const sampler = new Sampler(new PairReader(stores));
  const first = await sampler.borrow(a);
  const second = await sampler.borrow(b);
  const alone = await new Sampler(new PairReader(stores)).borrow(b);
  expect(second.length).toBeGreaterThan(2);
  for (const [i, { info, values, bytes }] of second.entries()) {
    expect(Buffer.compare(bytes, alone[i]?.bytes as Uint8Array)).toBe(0);
    expect([info, values.positions.length]).toEqual([alone[i]?.info, alone[i]?.values.positions.length]);
    expect(values.levels).toEqual(alone[i]?.values.levels);
    expect(values.positions.buffer).toBe(first[i]?.values.positions.buffer);
    expect(values.levels.buffer).toBe(first[i]?.values.levels.buffer);
    expect(bytes.buffer).toBe(first[i]?.bytes.buffer);
  }
});
