import { canonicalOrder, type TensorInfo, totalElements } from '../model/tensor.js';
import type { Meta, Op } from '../payload/diff.js';
import { payloadBytes } from '../payload/encode.js';
import type { ChooseHead } from '../payload/sparse-writer.js';
import type { Values } from './part.js';
import type { BaseWeights } from './session.js';

/** The trainable tensors of a model by how a diff treats them. */
export interface TensorPartition {
  /** Trainable tensors of two or more dimensions, in canonical order: masked or hashed. */
  readonly matrices: readonly TensorInfo[];
  /** Trainable tensors of at most one dimension: always dense, since each of their weights counts. */
  readonly vectors: readonly TensorInfo[];
  /**
   * Estimates the size of the whole payload file with the given ops, including dense ops and metadata.
   *
   * @param choose how the ops' positions are coded; in the fewest bits by default
   */
  fileBytes(ops: readonly Op[], choose?: ChooseHead): number;
}

/** Bits that a tensor costs in addition to its levels: reference and scale. */
const TENSOR_BITS = 9;

/** Bytes that a record costs in addition to its tensors: kind, length, learning cost of its coder. */
const RECORD_BYTES = 1 + 3 + 6;

/**
 * Splits a model's trainable tensors by rank, and estimates the size of the file around the matrices' ops.
 */
export function partitionTensors(
  base: BaseWeights,
  settings: { denseRate: number; meta: Meta },
): TensorPartition {
  const trainable = canonicalOrder(base.tensors.filter((info) => base.trainable.has(info.name)));
  const vectors = trainable.filter((info) => info.shape.length < 2);
  const denseBits = totalElements(vectors) * settings.denseRate + vectors.length * TENSOR_BITS;
  const denseBytes = vectors.length === 0 ? 0 : RECORD_BYTES + Math.ceil(denseBits / 8);
  const tensors = canonicalOrder(base.tensors);
  return {
    matrices: trainable.filter((info) => info.shape.length >= 2),
    vectors,
    fileBytes: (ops, choose) => payloadBytes(tensors, ops, { meta: settings.meta, choose }) + denseBytes,
  };
}

/** @returns the values of some tensors, by name */
export function pickValues(values: Values, infos: readonly TensorInfo[]): Values {
  return new Map(infos.map(({ name }) => [name, values.get(name) as Float32Array]));
}

/** A search for the largest count whose size is within a limit. */
interface CountSearch {
  /** The largest count to try. */
  readonly most: number;
  readonly limit: number;
  /**
   * A cheap model of the size that grows with the count; the closer its shape, the fewer sizes are computed.
   */
  predict(count: number): number;
}

/** Tries after which every other one halves the interval, whatever the model predicts. */
const FREE_TRIES = 8;

/**
 * Finds the largest whole number whose size is within a limit. Each try is where the model, fitted to the
 * last two sizes, meets the limit.
 *
 * @param search the range from 0 to `most`, the limit and the model
 * @param sizeOf the size for a count; must not fall as the count grows
 * @returns the number; -1 if not even 0 fits
 */
export function largestWithin(
  { most, limit, predict }: CountSearch,
  sizeOf: (count: number) => number,
): number {
  let [low, high] = [-1, most + 1];
  const points: SizedPoint[] = [];
  for (let tries = 1; high - low > 1; tries++) {
    const target = targetOf(limit, points);
    const predicted = largestThatFits(most, (count) => predict(count) <= target);
    const guess = tries > FREE_TRIES && tries % 2 === 0 ? (low + high) >> 1 : predicted;
    const tried = Math.min(high - 1, Math.max(low + 1, guess));
    const size = sizeOf(tried);
    points.push({ predicted: predict(tried), size });
    if (size <= limit) low = tried;
    else high = tried;
  }
  return low;
}

/** What a model predicts for a count, and the size. */
interface SizedPoint {
  readonly predicted: number;
  readonly size: number;
}

/** @returns what the model predicts where the size meets the limit, by a line through the last two points */
function targetOf(limit: number, points: readonly SizedPoint[]): number {
  const [last, previous] = [points.at(-1), points.at(-2)];
  if (last === undefined) return limit;
  const slope = previous && (last.predicted - previous.predicted) / (last.size - previous.size);
  if (slope === undefined || !(slope > 0 && slope < Number.POSITIVE_INFINITY))
    return (limit * last.predicted) / last.size;
  return last.predicted + (limit - last.size) * slope;
}

/**
 * Finds the largest whole number that fits, by bisection.
 *
 * @param most the largest number to try
 * @param fits whether a number from 0 to `most` fits; must be monotonic
 * @returns the number; -1 if not even 0 fits
 */
export function largestThatFits(most: number, fits: (count: number) => boolean): number {
  let low = -1;
  let high = most;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}

/**
 * Finds the n-th largest of non-negative numbers in two passes without sorting, as they are ordered like
 * their bits.
 *
 * @param arrays values of at least 0, no NaN
 * @param rank from 1
 */
export function nthLargest(arrays: readonly Float32Array[], rank: number): number {
  const bits = arrays.map(({ buffer, byteOffset, length }) => new Uint32Array(buffer, byteOffset, length));
  const counts = new Uint32Array(2 ** 16);
  // Plain loops: iterators take several times as long per element.
  for (const words of bits) {
    for (let i = 0; i < words.length; i++) counts[(words[i] as number) >>> 16]! += 1;
  }
  const high = digitOfRank(counts, rank);
  counts.fill(0);
  for (const words of bits) {
    for (let i = 0; i < words.length; i++) {
      const word = words[i] as number;
      if (word >>> 16 === high.digit) counts[word & 0xffff]! += 1;
    }
  }
  const low = digitOfRank(counts, high.left);
  return new Float32Array(Uint32Array.of(high.digit * 2 ** 16 + low.digit).buffer)[0] as number;
}

/** @returns the digit of the `rank`-th largest, and its rank among those with the same digit */
function digitOfRank(counts: Uint32Array, rank: number): { digit: number; left: number } {
  let digit = counts.length - 1;
  let left = rank;
  for (; left > (counts[digit] as number); digit--) left -= counts[digit] as number;
  return { digit, left };
}
