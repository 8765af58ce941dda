import { DTYPES, type TensorInfo } from '../model/tensor.js';
import { MAX_DENSE_LEVEL } from '../payload/limits.js';
import { roundScale } from '../payload/record-head.js';

/** A uniform quantiser's result: `value = fround(level * scale)`. */
export interface Quantised {
  readonly levels: Int16Array;
  /** A scale as returned by `asScale`. */
  readonly scale: number;
}

/** @returns `fround(level * scale)` for each level */
export function scaleLevels(levels: Int16Array, scale: number): Float32Array {
  // A plain loop: `Float32Array.from` is about a hundred times slower per element.
  const values = new Float32Array(levels.length);
  for (let i = 0; i < values.length; i++) values[i] = (levels[i] as number) * scale;
  return values;
}

/** Smallest scale: keeps the scale of an all-zero array a normal float32. */
const MIN_SCALE = 2 ** -60;

/** @returns the root mean square; 0 for no values */
export function rootMeanSquare(values: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += (values[i] as number) ** 2;
  return values.length === 0 ? 0 : Math.sqrt(sum / values.length);
}

/** @returns the nearest scale that payloads store in few bits: 1, 1.125, …, 1.875 times a power of two */
export function asScale(scale: number): number {
  const floored = Math.max(scale, MIN_SCALE);
  const unit = 2 ** (Math.floor(Math.log2(floored)) - 3);
  return roundScale(Math.round(floored / unit) * unit);
}

/** Rounds a scale to one that payloads can store for a tensor. */
export type ScaleOf = (tensor: string, scale: number) => number;

/** @returns the rounding of scales: to whole numbers from 1 for integer tensors, else `asScale` */
export function scalesFor(tensors: readonly TensorInfo[]): ScaleOf {
  const integers = tensors.filter(({ dtype }) => DTYPES[dtype].kind === 'integer');
  const names = new Set(integers.map(({ name }) => name));
  return (tensor, scale) => asScale(names.has(tensor) ? Math.max(1, Math.round(scale)) : scale);
}

/** Raises the rounding threshold above one half: small values are not worth their bits. */
const DEAD_ZONE = 0.1;

/**
 * Rounds values to multiples of a scale, with a dead zone. Training uses it in the forward pass with a
 * straight-through gradient.
 *
 * Source: Y. Bengio, N. Léonard, A. Courville, "Estimating or Propagating Gradients Through Stochastic
 * Neurons", 2013.
 *
 * @param values any float32 values
 * @param scale a positive number
 */
export function quantiseUniform(values: Float32Array, scale: number): Int16Array {
  const levels = new Int16Array(values.length);
  for (let i = 0; i < levels.length; i++) {
    const value = values[i] as number;
    const magnitude = Math.min(MAX_DENSE_LEVEL, Math.floor(Math.abs(value) / scale + 0.5 - DEAD_ZONE));
    levels[i] = value < 0 ? -magnitude : magnitude;
  }
  return levels;
}

/** @returns the empirical entropy of the levels, in bits per level; 0 for no levels */
export function entropyOf(levels: readonly Int16Array[]): number {
  const counts = new Uint32Array(2 * MAX_DENSE_LEVEL + 1);
  let total = 0;
  for (const each of levels) {
    total += each.length;
    for (let i = 0; i < each.length; i++) counts[(each[i] as number) + MAX_DENSE_LEVEL]! += 1;
  }
  let bits = 0;
  for (const count of counts) if (count > 0) bits += count * Math.log2(total / count);
  return total === 0 ? 0 : bits / total;
}

/**
 * @returns about how many bits a record takes for levels of which most are 0 and the others −1 or 1: a dense
 *   record predicts whether a level is 0 from the one before
 */
export function bitsOfLevels(levels: Int16Array): number {
  const counts = new Float64Array(4);
  let before = 0;
  for (let i = 0; i < levels.length; i++) {
    const now = levels[i] === 0 ? 0 : 1;
    counts[2 * before + now]! += 1;
    before = now;
  }
  const [stays, begins, ends, goesOn] = counts as unknown as [number, number, number, number];
  return splitBits(stays, begins) + splitBits(ends, goesOn) + begins + goesOn;
}

/** @returns the bits of so many decisions of two kinds, by their entropy */
function splitBits(some: number, others: number): number {
  const bits = (count: number) => (count === 0 ? 0 : count * Math.log2((some + others) / count));
  return bits(some) + bits(others);
}
