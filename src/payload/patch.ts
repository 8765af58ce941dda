import { HALVES } from '../model/float16.js';
import { DTYPES, type DType, type Model, type TensorInfo, wordsOf } from '../model/tensor.js';
import type { SegmentDecoder } from './delta/decoder.js';
import {
  type DenseOp,
  type Diff,
  type ExactOp,
  type HashOp,
  isSet,
  type LowRankOp,
  type Op,
  ordinalIn,
  type SetOp,
  type SparseOp,
  tensorsOf,
} from './diff.js';
import { addOrdered, orderedBits } from './ordered-bits.js';
import { placeBlock, tensorSeed } from './placement.js';

/** Adds a value to the element at an index of the range, rounding once. */
type Add = (index: number, value: number) => void;

/** A run of a tensor's elements, `start` inclusive, `end` exclusive, and its addition. */
interface Target {
  readonly start: number;
  readonly end: number;
  readonly add: Add;
}

/**
 * Applies ops to a range of a tensor: the reference arithmetic for producing and applying payloads.
 *
 * A value of zero leaves a weight's bits unchanged. Otherwise float32 weights become `fround(weight +
 * value)`; float16 and bfloat16 weights are widened, added to in float32, and rounded to nearest even; a NaN
 * result is written as the positive quiet NaN. Integer sums saturate. Exact ops add to ordinal numbers; set
 * ops replace elements.
 *
 * @param ops the diff's ops, in order; those for other tensors are skipped
 * @param info the tensor; of types without arithmetic, ops change the words (see `wordsOf`)
 * @param range `startElement`: the first element or word; `bytes`: those from there on, changed in place,
 *   aligned to their size in their buffer
 */
export function patchRange(
  ops: readonly Op[],
  info: TensorInfo,
  range: { startElement: number; bytes: Uint8Array },
): void {
  const { startElement: start, bytes } = range;
  const { dtype } = wordsOf(info);
  const end = start + bytes.length / DTYPES[dtype].bytes;
  const target = { start, end, add: createAdder(dtype, bytes) };
  for (const op of ops) {
    if (op.kind === 'hash') patchHash(op, info.name, target);
    else if (op.tensor !== info.name) continue;
    else if (op.kind === 'sparse') patchChanges(op, target);
    else if (op.kind === 'low-rank') patchLowRank(op, target);
    else if (isSet(op)) setElements(op, { start, end, bytes });
    else if (op.kind === 'exact') patchChanges(op, { start, end, add: createExactAdder(info, bytes) });
    else patchDense(op, target);
  }
}

function createAdder(dtype: DType, bytes: Uint8Array): Add {
  const { buffer, byteOffset } = bytes;
  const count = bytes.length / DTYPES[dtype].bytes;
  switch (dtype) {
    case 'float32':
      return float32Adder(
        new Float32Array(buffer, byteOffset, count),
        new Uint32Array(buffer, byteOffset, count),
      );
    case 'float16':
    case 'bfloat16':
      return halfAdder(new Uint16Array(buffer, byteOffset, count), HALVES[dtype]);
    case 'int8':
      return integerAdder(new Int8Array(buffer, byteOffset, count), -(2 ** 7));
    case 'uint8':
      return integerAdder(bytes, 0);
    case 'int16':
      return integerAdder(new Int16Array(buffer, byteOffset, count), -(2 ** 15));
    case 'uint16':
      return integerAdder(new Uint16Array(buffer, byteOffset, count), 0);
    case 'int32':
      return integerAdder(new Int32Array(buffer, byteOffset, count), -(2 ** 31));
    case 'uint32':
      return integerAdder(new Uint32Array(buffer, byteOffset, count), 0);
    default:
      throw new TypeError(`Cannot add to elements of ${dtype}`);
  }
}

/** Writes NaN as explicit bits, since engines may keep any NaN payload. */
function float32Adder(values: Float32Array, bits: Uint32Array): Add {
  return (index, value) => {
    if (value === 0) return;
    const sum = Math.fround((values[index] as number) + value);
    if (Number.isNaN(sum)) bits[index] = 0x7fc00000;
    else values[index] = sum;
  };
}

function halfAdder(bits: Uint16Array, { widen, narrow }: (typeof HALVES)[keyof typeof HALVES]): Add {
  return (index, value) => {
    if (value === 0) return;
    bits[index] = narrow(Math.fround(widen(bits[index] as number) + value));
  };
}

/** Adds differences to ordinal numbers. */
function createExactAdder(info: TensorInfo, bytes: Uint8Array): Add {
  const elements = orderedBits(info, bytes);
  return (index, difference) => addOrdered(elements, index, difference);
}

/** Elements of integers. */
type Integers = Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array;

/** Saturating sums, exact in a double: the terms have at most 40 bits. */
function integerAdder(values: Integers, min: number): Add {
  const max = min + 2 ** (8 * values.BYTES_PER_ELEMENT) - 1;
  return (index, value) => {
    values[index] = Math.min(max, Math.max(min, (values[index] as number) + value));
  };
}

function patchChanges(op: SparseOp | ExactOp, { start, end, add }: Target): void {
  const { positions, levels } = op;
  const scale = op.kind === 'sparse' ? op.scale : 0;
  for (let i = lowerBound(positions, start); i < positions.length; i++) {
    const position = positions[i] as number;
    if (position >= end) return;
    const level = levels[i] as number;
    add(position - start, scale === 0 ? level : Math.fround(level * scale));
  }
}

/** @returns the index of the first position that is at least `min` */
export function lowerBound(positions: Uint32Array, min: number): number {
  let low = 0;
  let high = positions.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((positions[middle] as number) < min) low = middle + 1;
    else high = middle;
  }
  return low;
}

function setElements(
  { bytes: elements, first = 0 }: SetOp,
  { start, end, bytes }: { start: number; end: number; bytes: Uint8Array },
): void {
  const size = bytes.length / (end - start);
  if (end > start) bytes.set(elements.subarray((start - first) * size, (end - first) * size));
}

function patchDense(op: DenseOp, { start, end, add }: Target): void {
  const { levels, scale, first = 0 } = op;
  for (let i = start; i < end; i++) {
    add(i - start, Math.fround((levels[i - first] as number) * scale));
  }
}

/** A value is a sum of products of two levels and a scale, in order of the ranks, each step rounded. */
function patchLowRank(op: LowRankOp, { start, end, add }: Target): void {
  const { scales, columns, rows, firstRow = 0 } = op;
  const rank = scales.length;
  const width = columns.length / rank;
  const sums = new Float32Array(Math.min(width, end - start));
  for (let from = start; from < end; ) {
    const row = Math.floor(from / width);
    const to = Math.min(end, (row + 1) * width);
    sums.fill(0);
    for (let k = 0; k < rank; k++) {
      const factor = (rows[(row - firstRow) * rank + k] as number) * (scales[k] as number);
      const first = k * width + (from % width);
      if (factor !== 0) addScaled(sums, columns.subarray(first, first + to - from), factor);
    }
    for (let i = from; i < to; i++) add(i - start, sums[i - from] as number);
    from = to;
  }
}

/** Adds products to sums, each rounded to float32: `factor` is one already, with at most 23 bits. */
function addScaled(sums: Float32Array, levels: Int16Array, factor: number): void {
  for (let i = 0; i < levels.length; i++)
    sums[i] = (sums[i] as number) + Math.fround(factor * (levels[i] as number));
}

function patchHash(op: HashOp, tensor: string, range: Target): void {
  const ordinal = ordinalIn(op, tensor);
  if (ordinal === undefined) return;
  const scale = (op.tensors[ordinal] as { scale: number }).scale;
  const { values } = op.buckets;
  const seed = tensorSeed(op.seed, ordinal);
  let index = Math.floor(range.start / op.block);
  for (let start = index * op.block; start < range.end; start += op.block, index++) {
    const place = placeBlock(index, seed, values.length);
    const signed = place & 1 ? -scale : scale;
    const from = Math.max(start, range.start);
    let bucket = place >>> 1;
    if (from > start) bucket = (bucket + from - start) % values.length;
    for (let i = from; i < Math.min(start + op.block, range.end); i++) {
      range.add(i - range.start, Math.fround((values[bucket] as number) * signed));
      bucket = bucket + 1 === values.length ? 0 : bucket + 1;
    }
  }
}

/** Patches ranges of tensors, with results bit for bit those of `patchRange`. */
export interface Patcher {
  /**
   * Allocates a zeroed array that `patch` changes in place, without copies.
   *
   * Its buffer may be larger than the array and cannot be transferred to another thread.
   *
   * @param byteLength length of the array
   */
  allocate(byteLength: number): Uint8Array;
  /**
   * Applies ops to a range of a tensor, as `patchRange` does.
   *
   * A patcher may cache data derived from an op's buckets, so they must not change between calls.
   */
  patch(ops: readonly Op[], info: TensorInfo, range: { startElement: number; bytes: Uint8Array }): void;
  /** Creates a decoder for delta records; plain arithmetic is used by default. */
  createSegmentDecoder?(): SegmentDecoder;
}

/** The patcher that uses `patchRange`. */
export const plainPatcher: Patcher = {
  allocate: (byteLength) => new Uint8Array(byteLength),
  patch: patchRange,
};

/** @returns the model with the diff applied; unchanged tensors are shared with the base */
export function patchModel(base: Model, diff: Diff): Model {
  const touched = new Set(diff.ops.flatMap(tensorsOf));
  const tensors = base.tensors.map((tensor) => {
    if (!touched.has(tensor.name)) return tensor;
    const bytes = tensor.bytes.slice();
    patchRange(diff.ops, tensor, { startElement: 0, bytes });
    return { ...tensor, bytes };
  });
  return { tensors };
}
