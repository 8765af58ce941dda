import { asScale, type Quantised, rootMeanSquare } from '../train/index.js';

/** How many standard deviations the largest level stands for. */
const REACH = 2.5;

/**
 * Rounds the values of a mask to a grid without a zero: what is worth a position is worth a change.
 *
 * @param values changes at the mask's positions
 * @param bits bits a level, 1 to 8: levels from 1 to 2^(bits-1) with a sign; only a value of exactly 0 keeps level 0
 * @param toScale rounds the scale to one that payloads have
 */
export function quantiseNonZero(values: Float32Array, bits: number, toScale = asScale): Quantised {
  const most = 2 ** (bits - 1);
  const scale = toScale((REACH * rootMeanSquare(values)) / most);
  const levels = new Int16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    const magnitude = Math.max(1, Math.min(most, Math.round(Math.abs(value) / scale)));
    levels[i] = Math.sign(value) * magnitude;
  }
  return { levels, scale };
}
