import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createFastPatcher } from '../../../src/apply/fast/create-patcher.js';
import { CHUNK_BYTES } from '../../../src/model/limits.js';
import { DTYPES, type TensorInfo } from '../../../src/model/tensor.js';
import type { HashOp, Op } from '../../../src/payload/diff.js';
import { EXHAUSTIVE } from '../../exhaustive.js';
import { ADDABLE, createRandom, offsetView, seededBytes } from '../../support.js';
import { elementBytes, inPlace, opsOn, plainly } from './samples.js';

const patcher = createFastPatcher();
const dtypes = ADDABLE;

describe.each(dtypes)('createFastPatcher() on %s', (dtype) => {
  const info: TensorInfo = { name: 'weights', dtype, shape: [300] };
  const size = DTYPES[dtype].bytes;

  test('gives the bits of patchRange() on a range of any elements', () => {
    const range = fc.tuple(fc.nat({ max: 299 }), fc.nat({ max: 150 })).chain(([startElement, count]) =>
      fc.record({
        startElement: fc.constant(startElement),
        bytes: elementBytes(dtype, Math.min(count, 300 - startElement)),
      }),
    );
    fc.assert(
      fc.property(range, opsOn(info), (range, ops) => {
        const expected = plainly(ops, info, range);
        expect(inPlace(patcher, ops, { info, ...range })).toEqual(expected);
        const elsewhere = offsetView(range.bytes);
        patcher.patch(ops, info, { ...range, bytes: elsewhere });
        expect(elsewhere).toEqual(expected);
      }),
      { numRuns: EXHAUSTIVE ? 300 : 60 },
    );
  });

  test('gives the bits of patchRange() on a tensor of several pieces, beyond 2^31 elements in', () => {
    const many: TensorInfo = { name: 'weights', dtype, shape: [2 ** 32 - 1] };
    const count = (2 * CHUNK_BYTES) / size + 77;
    const startElement = 2 ** 31 + 12_345;
    const random = createRandom(3);
    const ops: Op[] = [1, 3, 8, 1_000].map((block) => hashOp(block, 5_003));
    const positions = Uint32Array.from(
      { length: 80_000 },
      (_, i) => startElement - 9 + 13 * i + (random() % 13),
    );
    ops.push({
      kind: 'sparse',
      tensor: 'weights',
      scale: 3,
      positions,
      levels: Int16Array.from(positions, () => 1 + (random() % 8)),
    });
    const bytes = seededBytes(4, count * size);
    const expected = plainly(ops, many, { startElement, bytes });
    expect(sameBytes(inPlace(patcher, ops, { info: many, startElement, bytes }), expected)).toBe(true);
    patcher.patch(ops, many, { startElement, bytes });
    expect(sameBytes(bytes, expected)).toBe(true);
  });
});

function hashOp(block: number, buckets: number): HashOp {
  const random = createRandom(block);
  const values = Int8Array.from({ length: buckets }, () => (random() % 3) - 1);
  return {
    kind: 'hash',
    tensors: [{ tensor: 'weights', scale: 2 }],
    seed: random(),
    block,
    buckets: { coding: 'levels', values },
  };
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
