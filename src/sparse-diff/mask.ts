import type { Op, SparseOp } from '../payload/diff.js';
import { addAt } from '../tfjs/kernels/diff/sparse.js';
import { nthLargest } from '../train/layout.js';
import { type LiveValues, type Values, valuesOf } from '../train/part.js';
import { asScale, type Quantised, rootMeanSquare, type ScaleOf, scaleLevels } from '../train/quantise.js';

/** Row-major positions of the changed weights, by tensor; ascending. */
export type Positions = ReadonlyMap<string, Uint32Array>;

/** A mask and the changes at its positions, with the bits per level. */
export interface Mask {
  readonly positions: Positions;
  readonly changes: Values;
  readonly bits: number;
  readonly scaleOf: ScaleOf;
}

/** @returns the tensors of a mask with its quantised changes added */
export function addMasked(weights: LiveValues, mask: Mask): LiveValues {
  const add = (name: string, places: Uint32Array) => {
    const { levels, scale } = quantise(mask, name);
    return addAt(valuesOf(weights, name), places, scaleLevels(levels, scale));
  };
  return new Map([...mask.positions].map(([name, places]) => [name, add(name, places)]));
}

function quantise({ changes, bits, scaleOf }: Mask, name: string): Quantised {
  return quantiseNonZero(valuesOf(changes, name), bits, (scale) => scaleOf(name, scale));
}

/** @returns the values at the given positions */
export function gather(values: Float32Array, places: Uint32Array): Float32Array {
  const taken = new Float32Array(places.length);
  for (let i = 0; i < taken.length; i++) taken[i] = values[places[i] as number] as number;
  return taken;
}

/**
 * Builds the sparse ops of a mask, without positions whose change is exactly zero.
 *
 * @param extraZeros share of the positions to drop, the smallest changes of each tensor first
 */
export function maskOps(mask: Mask, extraZeros: number): Op[] {
  return [...mask.positions].flatMap(([tensor, places]): SparseOp[] => {
    const values = valuesOf(mask.changes, tensor);
    const { levels, scale } = quantise(mask, tensor);
    const least = leastKept(values, extraZeros);
    const kept = { positions: new Uint32Array(places.length), levels: new Int16Array(places.length) };
    let count = 0;
    for (let i = 0; i < places.length; i++) {
      if (levels[i] === 0 || Math.abs(values[i] as number) < least) continue;
      kept.positions[count] = places[i] as number;
      kept.levels[count++] = levels[i] as number;
    }
    if (count === 0) return [];
    const op = { positions: kept.positions.slice(0, count), levels: kept.levels.slice(0, count) };
    return [{ kind: 'sparse', tensor, scale, ...op }];
  });
}

function leastKept(values: Float32Array, extraZeros: number): number {
  const dropped = Math.round(extraZeros * values.length);
  if (dropped === values.length) return Number.POSITIVE_INFINITY;
  if (dropped === 0) return 0;
  const magnitudes = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) magnitudes[i] = Math.abs(values[i] as number);
  return nthLargest([magnitudes], values.length - dropped);
}

/** @returns the share of weights that a mask changes */
export function densityOf(positions: Positions, weightCount: number): number {
  let count = 0;
  for (const places of positions.values()) count += places.length;
  return count / weightCount;
}

/** The largest level, in standard deviations. */
const REACH = 2.5;

/**
 * Quantises the values of a mask to levels other than zero: a position that is coded should change its
 * weight.
 *
 * @param values changes at the mask's positions
 * @param bits bits per level, 1 to 8: magnitudes from 1 to 2^(bits-1) with a sign; only exact zeros get level
 *   0
 * @param toScale rounds the scale to one that payloads can store
 */
export function quantiseNonZero(values: Float32Array, bits: number, toScale = asScale): Quantised {
  const most = 2 ** (bits - 1);
  const scale = toScale((REACH * rootMeanSquare(values)) / most);
  const levels = new Int16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (value === 0) continue;
    // In a third of the time of Math.round, Math.min, Math.max and Math.sign.
    const rounded = Math.floor(Math.abs(value) / scale + 0.5);
    const magnitude = rounded < 1 ? 1 : rounded > most ? most : rounded;
    levels[i] = value < 0 ? -magnitude : magnitude;
  }
  return { levels, scale };
}
