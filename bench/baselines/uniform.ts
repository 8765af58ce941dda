import { type Quantised, rootMeanSquare } from '../../src/train/quantise.js';

/** Standard deviations that the grid reaches; what lies beyond is clipped. */
const REACH = 3;

/**
 * Rounds values to a symmetric uniform grid.
 *
 * @param bits bits a level, 2 to 8: levels from -(2^(bits-1) - 1) to 2^(bits-1) - 1
 */
export function quantiseToBits(values: Float32Array, bits: number): Quantised {
  const most = 2 ** (bits - 1) - 1;
  const scale = Math.fround(Math.max((REACH * rootMeanSquare(values)) / most, 2 ** -60));
  const levels = new Int16Array(values.length);
  for (let i = 0; i < values.length; i++)
    levels[i] = Math.max(-most, Math.min(most, Math.round((values[i] as number) / scale)));
  return { levels, scale };
}
