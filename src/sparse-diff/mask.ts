import { addAt } from '../kernels/index.js';
import type { Op, SparseOp } from '../payload/index.js';
import { type LiveValues, scaleLevels, type Values, valuesOf } from '../train/index.js';
import { quantiseNonZero } from './levels.js';

/** Row-major positions of the weights that change, by tensor; ascending. */
export type Positions = ReadonlyMap<string, Uint32Array>;

/** A mask and the changes at its positions, in bits a level. */
export interface Mask {
  readonly positions: Positions;
  readonly changes: Values;
  readonly bits: number;
}

/** @returns the tensors under a mask, with its quantised changes added */
export function addMasked(weights: LiveValues, { positions, changes, bits }: Mask): LiveValues {
  const add = (name: string, places: Uint32Array) => {
    const { levels, scale } = quantiseNonZero(valuesOf(changes, name), bits);
    return addAt(valuesOf(weights, name), places, scaleLevels(levels, scale));
  };
  return new Map([...positions].map(([name, places]) => [name, add(name, places)]));
}

/** @returns the values at some positions */
export function gather(values: Float32Array, places: Uint32Array): Float32Array {
  const taken = new Float32Array(places.length);
  for (let i = 0; i < taken.length; i++) taken[i] = values[places[i] as number] as number;
  return taken;
}

/** @returns the sparse ops of a mask, without positions whose change is exactly zero */
export function maskOps({ positions, changes, bits }: Mask): Op[] {
  return [...positions].flatMap(([tensor, places]): SparseOp[] => {
    const { levels, scale } = quantiseNonZero(valuesOf(changes, tensor), bits);
    const kept = Array.from(levels.keys()).filter((i) => levels[i] !== 0);
    if (kept.length === 0) return [];
    const op = {
      positions: Uint32Array.from(kept, (i) => places[i] as number),
      levels: Int16Array.from(kept, (i) => levels[i] as number),
    };
    return [{ kind: 'sparse', tensor, bits, scale, ...op }];
  });
}

/** @returns the share of weights that a mask changes */
export function densityOf(positions: Positions, weightCount: number): number {
  let count = 0;
  for (const places of positions.values()) count += places.length;
  return count / weightCount;
}
