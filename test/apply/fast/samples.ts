import fc from 'fast-check';
import { DTYPES, type DType, type TensorInfo } from '../../../src/model/tensor.js';
import type { HashOp, Op } from '../../../src/payload/diff.js';
import { type Patcher, patchRange } from '../../../src/payload/patch.js';
import { buckets, denseOp, scaleOf, sparseOp } from '../../payload/samples.js';
import { seededTensor } from '../../support.js';

/**
 * Elements whose sums are the hard ones: NaNs of all kinds, infinities, zeros, subnormals, the largest
 * numbers.
 */
const HARD: Partial<Record<DType, readonly number[]>> = {
  float32: [
    0, 0x80000000, 1, 0x807fffff, 0x7f800000, 0xff800000, 0x7f800001, 0xffc12345, 0x7f7fffff, 0x3f800000,
  ],
  float16: [0, 0x8000, 1, 0x83ff, 0x0400, 0x7c00, 0xfc00, 0x7c01, 0xfe12, 0x7bff, 0xfbff, 0x3c00],
  bfloat16: [0, 0x8000, 1, 0x807f, 0x0080, 0x7f80, 0xff80, 0x7f81, 0xffc1, 0x7f7f, 0xff7f, 0x3f80],
};

/** @returns elements of any bits as bytes, the hard ones often among them */
export function elementBytes(dtype: DType, count: number): fc.Arbitrary<Uint8Array> {
  const size = DTYPES[dtype].bytes;
  const any = fc.integer({ min: 0, max: 2 ** (8 * size) - 1 });
  const element = HARD[dtype] ? fc.oneof(fc.constantFrom(...HARD[dtype]), any) : any;
  return fc.array(element, { minLength: count, maxLength: count }).map((elements) => {
    const bytes = new Uint8Array(4 * count);
    const view = new DataView(bytes.buffer);
    elements.forEach((bits, i) => {
      view.setUint32(size * i, bits, true);
    });
    return bytes.slice(0, size * count);
  });
}

/** A hash op on one tensor that is the `ordinal`th of its op: short and long blocks, few and many buckets. */
function hashOpOn(info: TensorInfo): fc.Arbitrary<HashOp> {
  const tensor = { ...seededTensor(info.name, info.dtype, []), shape: info.shape };
  const codings =
    DTYPES[info.dtype].kind === 'integer' ? (['levels'] as const) : (['float', 'levels'] as const);
  return fc
    .record({
      seed: fc.nat({ max: 0xffffffff }),
      block: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 40 }), fc.constant(1_024)),
      buckets: fc.constantFrom(...codings).chain((coding) => buckets(coding, 70)),
      scale: scaleOf(tensor),
      ordinal: fc.nat({ max: 3 }),
    })
    .map(({ scale, ordinal, ...op }) => {
      const before = Array.from({ length: ordinal }, (_, i) => ({ tensor: `${i}`, scale: 1 }));
      return { kind: 'hash' as const, tensors: [...before, { tensor: info.name, scale }], ...op };
    });
}

/** One to three ops on a tensor. */
export function opsOn(info: TensorInfo): fc.Arbitrary<Op[]> {
  const tensor = { ...seededTensor(info.name, info.dtype, []), shape: info.shape };
  const op = fc.oneof<fc.Arbitrary<Op>[]>(hashOpOn(info), hashOpOn(info), sparseOp(tensor), denseOp(tensor));
  return fc.array(op, { minLength: 1, maxLength: 3 });
}

/** @returns what `patchRange` makes of a range */
export function plainly(
  ops: readonly Op[],
  info: TensorInfo,
  range: { startElement: number; bytes: Uint8Array },
): Uint8Array {
  const bytes = range.bytes.slice();
  patchRange(ops, info, { ...range, bytes });
  return bytes;
}

/** @returns what a patcher makes of a range that lies in its own memory, with bytes before and behind it */
export function inPlace(
  patcher: Patcher,
  ops: readonly Op[],
  range: { info: TensorInfo; startElement: number; bytes: Uint8Array },
): Uint8Array {
  const { info, startElement, bytes } = range;
  const around = patcher.allocate(bytes.length + 32).fill(0xee);
  const lent = around.subarray(16, 16 + bytes.length);
  lent.set(bytes);
  patcher.patch(ops, info, { startElement, bytes: lent });
  if (![...around.subarray(0, 16), ...around.subarray(16 + bytes.length)].every((byte) => byte === 0xee)) {
    throw new Error('Patching changed bytes outside the range');
  }
  return lent.slice();
}
