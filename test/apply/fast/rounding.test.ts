import { describe, expect, test } from 'vitest';
import { createFastPatcher } from '../../../src/apply/fast/create-patcher.js';
import type { DType, TensorInfo } from '../../../src/model/tensor.js';
import type { Buckets, DenseOp, HashOp } from '../../../src/payload/diff.js';
import { createRandom } from '../../support.js';
import { inPlace, plainly } from './samples.js';

const patcher = createFastPatcher();
const random = createRandom(11);

/**
 * From below half of the least subnormal to beyond the largest number; 16 is half a step of the largest
 * binary16.
 */
const SCALES = [2 ** -149, 2 ** -134, 2 ** -126, 2 ** -25, 2 ** -24, 2 ** -12, 0.75, 1, 16, 2 ** 15, 2 ** 96];

test.each(['float16', 'bfloat16'] as const)('rounding is that of patchRange() for every %s', (dtype) => {
  const info: TensorInfo = { name: 'a', dtype, shape: [65_536] };
  const bytes = new Uint8Array(Uint16Array.from({ length: 65_536 }, (_, i) => i).buffer);
  for (const scale of SCALES) {
    for (const level of [1, -1, 3, -7]) {
      const levels = new Int8Array(65_536).fill(level);
      const op: DenseOp = { kind: 'dense', tensor: 'a', scale, levels };
      const range = { startElement: 0, bytes };
      const found = inPlace(patcher, [op], { info, ...range });
      const expected = plainly([op], info, range);
      const where = found.findIndex((byte, i) => byte !== expected[i]);
      expect({ scale, level, where }).toEqual({ scale, level, where: -1 });
    }
  }
});

/** Weights on both sides of zero, zeros of both signs among them; no NaN, unless one is asked for. */
function weights(count: number, nanAt?: number): Uint8Array {
  const patterns = [0, 0x80000000, 1, 0x80000001, 0x3f800000, 0xbf800000, 0x3dcccccd];
  const bits = Uint32Array.from({ length: count }, () => patterns[random() % patterns.length] as number);
  if (nanAt !== undefined) bits[nanAt] = 0xffc12345;
  return new Uint8Array(bits.buffer);
}

type Kind = 'float' | 'ternary' | 'sign' | 'any';

function bucketsOf(kind: Kind): Buckets {
  if (kind === 'float')
    return { coding: kind, values: Float32Array.of(0, 0.5, -0, -1, 2 ** -140, 0, 1, -0.25, 3) };
  const draw = {
    ternary: () => (random() % 3) - 1,
    sign: () => 1 - 2 * (random() % 2),
    any: () => (random() % 255) - 127,
  };
  return { coding: 'levels', values: Int8Array.from({ length: 101 }, draw[kind]) };
}

describe.each([1, 2, 4, 8, 12, 16, 32])('blocks of %i', (block) => {
  test.each(['float', 'ternary', 'sign', 'any'] as const)(
    'leave zeros and NaN as patchRange() does, %s',
    (kind) => {
      const dtype: DType = 'float32';
      const info: TensorInfo = { name: 'a', dtype, shape: [10_000] };
      for (const scale of [2 ** -149, 0.1, 2 ** 96].map(Math.fround)) {
        const op: HashOp = {
          kind: 'hash',
          tensors: [{ tensor: 'a', scale }],
          seed: random(),
          block,
          buckets: bucketsOf(kind),
        };
        for (const nanAt of [undefined, 0, 7, 500]) {
          for (const startElement of [0, 8 * block, 5]) {
            const range = { startElement, bytes: weights(1_003, nanAt) };
            expect(inPlace(patcher, [op], { info, ...range })).toEqual(plainly([op], info, range));
          }
        }
      }
    },
  );
});
