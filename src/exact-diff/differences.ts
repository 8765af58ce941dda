import type { TensorInfo } from '../model/index.js';
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

/** @returns what an exact op needs to make the second elements of the first */
export function differences(info: TensorInfo, { before, after, first }: Elements): Differences {
  const [start, end] = [orderedBits(info, before), orderedBits(info, after)];
  const count = countChanged(start.words, end.words);
  const positions = new Uint32Array(count);
  const levels = new Int32Array(count);
  for (let i = 0, at = 0; at < count; i++) {
    if (start.words[i] === end.words[i]) continue;
    positions[at] = first + i;
    levels[at++] = wrapDifference(info, orderOf(end, i) - orderOf(start, i));
  }
  return { positions, levels };
}

/** Elements as numbers, one each. */
type Words = ArrayLike<number>;

/** @returns how many elements differ */
export function countChanged(before: Words, after: Words): number {
  let count = 0;
  for (let i = 0; i < before.length; i++) if (before[i] !== after[i]) count++;
  return count;
}
