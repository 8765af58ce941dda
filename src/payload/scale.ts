import { DTYPES, type TensorInfo } from '../model/index.js';
import { corrupt } from './corrupt.js';
import { MAX_SCALE } from './limits.js';

/**
 * @param scale any number
 * @param info the tensor that it is for
 * @returns whether it is a scale: positive, bounded, the upper half of a binary32, and whole where integers are added
 */
export function isScale(scale: number, info: TensorInfo): boolean {
  if (!(scale > 0 && scale <= MAX_SCALE) || roundScale(scale) !== scale) return false;
  return DTYPES[info.dtype].kind === 'float' || (Number.isInteger(scale) && scale < 2 ** 24);
}

/** @returns the number with the fraction of a binary32 cut to its upper seven bits */
export function roundScale(scale: number): number {
  const bits = new Uint32Array(Float32Array.of(scale).buffer);
  bits[0] = (bits[0] as number) & 0xffff0000;
  return new Float32Array(bits.buffer)[0] as number;
}

/**
 * @returns the scale
 * @throws NeuralDiffError `corrupt-payload` when it is none
 */
export function checkScale(scale: number, info: TensorInfo): number {
  if (!isScale(scale, info)) throw corrupt(`tensor "${info.name}" of ${info.dtype} has a scale of ${scale}`);
  return scale;
}
