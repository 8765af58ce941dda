import { CHUNK_BYTES } from '../model/limits.js';
import type { WeightStore } from '../model/store.js';
import { byteLength, type TensorInfo } from '../model/tensor.js';
import type { ExactOp } from '../payload/diff.js';
import { orderedBits, ordinalOf, wrapDifference } from '../payload/ordered-bits.js';

/** Two models with the same tensors. */
export interface StorePair {
  readonly base: WeightStore;
  readonly next: WeightStore;
}

/** A byte range of a tensor in both models; the arrays are valid until the next pair. */
export interface BytePair {
  readonly byteOffset: number;
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

/** Runs up to this size are read one after the other: stores have most of them in memory. */
const SMALL_BYTES = 2 ** 14;

/** Reads tensors of two models chunk by chunk. */
export class PairReader {
  readonly #stores: StorePair;
  readonly #before: Uint8Array;
  readonly #after: Uint8Array;

  /** @param runBytes size of the longest run */
  constructor(stores: StorePair, runBytes = CHUNK_BYTES) {
    this.#stores = stores;
    this.#before = new Uint8Array(runBytes);
    this.#after = new Uint8Array(runBytes);
  }

  /** Reads a byte range of a tensor, at most `runBytes` long. */
  async borrow({ name }: TensorInfo, run: { start: number; end: number }): Promise<BytePair> {
    const length = run.end - run.start;
    const [before, after] = [this.#before.subarray(0, length), this.#after.subarray(0, length)];
    const { base, next } = this.#stores;
    const readNext = () => next.readInto(name, run.start, after);
    const reading = base.readInto(name, run.start, before);
    if (length > SMALL_BYTES) await Promise.all([reading, readNext()]);
    else await reading.then(readNext);
    return { byteOffset: run.start, before, after };
  }

  /** Reads a tensor run by run, each when it is asked for; a tensor without elements has no runs. */
  *walk(info: TensorInfo, signal?: AbortSignal): Generator<Promise<BytePair>> {
    const total = byteLength(info);
    const step = this.#before.length;
    for (let start = 0; start < total; start += step) {
      signal?.throwIfAborted();
      yield this.borrow(info, { start, end: Math.min(start + step, total) });
    }
  }
}

/** Positions that differ, and by how many ordinals. */
type Differences = Pick<ExactOp, 'positions' | 'levels'>;

/** The same elements of a tensor before and after; both arrays start at a multiple of the element size. */
interface Elements {
  readonly before: Uint8Array;
  readonly after: Uint8Array;
  /** Index of the first element within the tensor. */
  readonly first: number;
}

/**
 * Finds the changed elements of a run.
 *
 * @param buffer receives the result; must be large enough for all elements; a new one by default
 * @returns positions and levels of an exact op, as views of `buffer`
 */
export function differences(
  info: TensorInfo,
  { before, after, first }: Elements,
  buffer?: Differences,
): Differences {
  const [start, end] = [orderedBits(info, before), orderedBits(info, after)];
  const { positions, levels } = buffer ?? allocateDifferences(start.words.length);
  let count = 0;
  for (let i = 0; i < start.words.length; i++) {
    if (start.words[i] === end.words[i]) continue;
    positions[count] = first + i;
    levels[count++] = wrapDifference(info, ordinalOf(end, i) - ordinalOf(start, i));
  }
  return { positions: positions.subarray(0, count), levels: levels.subarray(0, count) };
}

function allocateDifferences(elements: number): Differences {
  return { positions: new Uint32Array(elements), levels: new Int32Array(elements) };
}

/** Scratch memory for differences, reused so that garbage from each run does not fill the heap. */
export class DifferenceBuffers {
  #buffer = allocateDifferences(0);

  atLeast(elements: number): Differences {
    if (this.#buffer.levels.length < elements) this.#buffer = allocateDifferences(elements);
    return this.#buffer;
  }
}

/** Elements as numbers, one per element. */
type Words = ArrayLike<number>;

/** @returns how many elements differ */
export function countChanged(before: Words, after: Words): number {
  let count = 0;
  for (let i = 0; i < before.length; i++) if (before[i] !== after[i]) count++;
  return count;
}
