import { CHUNK_BYTES } from '../model/limits.js';
import type { WeightStore } from '../model/store.js';
import { byteLength, DTYPES, type TensorInfo } from '../model/tensor.js';
import type { ExactOp } from '../payload/diff.js';
import { orderedBits, ordinalOf, wrapDifference } from '../payload/ordered-bits.js';

/** Two models that have the same tensors. */
export interface StorePair {
  readonly base: WeightStore;
  readonly next: WeightStore;
}

/** A run of a tensor's bytes in both models; the arrays are valid until the next pair. */
export interface BytePair {
  readonly byteOffset: number;
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

/** Reads tensors of two models, a chunk of each at a time. */
export class PairReader {
  readonly #stores: StorePair;
  readonly #before: Uint8Array;
  readonly #after: Uint8Array;

  /** @param runBytes the longest run */
  constructor(stores: StorePair, runBytes = CHUNK_BYTES) {
    this.#stores = stores;
    this.#before = new Uint8Array(runBytes);
    this.#after = new Uint8Array(runBytes);
  }

  /** @returns a run of at most as many bytes as were asked for */
  async borrow({ name }: TensorInfo, run: { start: number; end: number }): Promise<BytePair> {
    const length = run.end - run.start;
    const [before, after] = [this.#before.subarray(0, length), this.#after.subarray(0, length)];
    await Promise.all([
      this.#stores.base.readInto(name, run.start, before),
      this.#stores.next.readInto(name, run.start, after),
    ]);
    return { byteOffset: run.start, before, after };
  }

  /** Goes through a tensor; one without elements has no pairs. */
  async *walk(info: TensorInfo, signal?: AbortSignal): AsyncGenerator<BytePair> {
    const total = byteLength(info);
    const step = this.#before.length;
    for (let start = 0; start < total; start += step) {
      signal?.throwIfAborted();
      yield await this.borrow(info, { start, end: Math.min(start + step, total) });
    }
  }
}

/** Positions that differ, and by how much in the order of values. */
export type Differences = Pick<ExactOp, 'positions' | 'levels'>;

/** The same elements of a tensor, before and after; the arrays start at multiples of an element's size. */
export interface Elements {
  readonly before: Uint8Array;
  readonly after: Uint8Array;
  /** Number of the first of them in the tensor. */
  readonly first: number;
}

/**
 * @param room takes what is found; has room for all elements
 * @returns what an exact op needs to make the second elements of the first: views of `room`
 */
export function differences(
  info: TensorInfo,
  { before, after, first }: Elements,
  room: Differences = roomFor(before.length / DTYPES[info.dtype].bytes),
): Differences {
  const [start, end] = [orderedBits(info, before), orderedBits(info, after)];
  const { positions, levels } = room;
  let count = 0;
  for (let i = 0; i < start.words.length; i++) {
    if (start.words[i] === end.words[i]) continue;
    positions[count] = first + i;
    levels[count++] = wrapDifference(info, ordinalOf(end, i) - ordinalOf(start, i));
  }
  return { positions: positions.subarray(0, count), levels: levels.subarray(0, count) };
}

function roomFor(elements: number): Differences {
  return { positions: new Uint32Array(elements), levels: new Int32Array(elements) };
}

/** Memory for the differences of one run of elements after the other: arrays made for each would fill it before they are collected. */
export class DifferenceBuffers {
  #room = roomFor(0);

  atLeast(elements: number): Differences {
    if (this.#room.levels.length < elements) this.#room = roomFor(elements);
    return this.#room;
  }
}

/** Elements as numbers, one each. */
type Words = ArrayLike<number>;

/** @returns how many elements differ */
export function countChanged(before: Words, after: Words): number {
  let count = 0;
  for (let i = 0; i < before.length; i++) if (before[i] !== after[i]) count++;
  return count;
}
