import { DTYPES, type TensorInfo } from '../model/index.js';
import { type ExactOp, orderedBits, orderOf, wrapDifference } from '../payload/index.js';

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
    levels[count++] = wrapDifference(info, orderOf(end, i) - orderOf(start, i));
  }
  return { positions: positions.subarray(0, count), levels: levels.subarray(0, count) };
}

function roomFor(elements: number): Differences {
  return { positions: new Uint32Array(elements), levels: new Int32Array(elements) };
}

/** Memory for the differences of one run of elements after the other: arrays made for each would fill it before they are collected. */
export class DifferencesRoom {
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
