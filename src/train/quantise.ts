/** A uniform quantiser's result: `value = fround(level * scale)`. */
export interface Quantised {
  readonly levels: Int16Array;
  /** A positive float32. */
  readonly scale: number;
}

/** @returns `fround(level * scale)` for each level */
export function scaleLevels(levels: Int16Array, scale: number): Float32Array {
  // A plain loop: `Float32Array.from` costs a hundred times as much an element.
  const values = new Float32Array(levels.length);
  for (let i = 0; i < values.length; i++) values[i] = (levels[i] as number) * scale;
  return values;
}

/** Smallest scale: keeps the scale of an all-zero array a proper float32. */
const MIN_SCALE = 2 ** -60;

/** @returns the root of the mean square; 0 for no values */
export function rootMeanSquare(values: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += (values[i] as number) ** 2;
  return values.length === 0 ? 0 : Math.sqrt(sum / values.length);
}

/** @returns a usable scale: float32 and positive */
export function asScale(scale: number): number {
  return Math.fround(Math.max(scale, MIN_SCALE));
}

/**
 * Rounds values to a symmetric uniform grid that reaches three standard deviations; what lies beyond is clipped. Used
 * in the forward pass with its gradient passed straight through.
 *
 * Source: Y. Bengio, N. Léonard, A. Courville, "Estimating or Propagating Gradients Through Stochastic Neurons", 2013.
 *
 * @param values any float32 values
 * @param bits bits a level, 2 to 8: levels from -(2^(bits-1) - 1) to 2^(bits-1) - 1
 */
export function quantiseUniform(values: Float32Array, bits: number): Quantised {
  const most = 2 ** (bits - 1) - 1;
  const scale = asScale((3 * rootMeanSquare(values)) / most);
  const levels = new Int16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    levels[i] = Math.max(-most, Math.min(most, Math.round((values[i] as number) / scale)));
  }
  return { levels, scale };
}
