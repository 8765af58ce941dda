import { DTYPES, type TensorInfo } from '../model/tensor.js';
import { type BitCoder, Contexts, NumberCoding, SLOW } from './coding.js';
import { corrupt, MAX_SCALE } from './limits.js';

/** Classes of rank for the choice of tensors: scalars, vectors, matrices and above. */
const RANK_CLASSES = 3;

/**
 * Codes the tensors of a record: a decision per tensor, predicted from the last two tensors of the same rank
 * class.
 *
 * @param infos the directory
 * @param chosen for an encoder: the names of the record's tensors
 * @returns the record's tensors, in canonical order
 * @throws NeuralDiffError `corrupt-payload` for no tensors
 */
export function codeTensors(
  coder: BitCoder,
  infos: readonly TensorInfo[],
  chosen?: ReadonlySet<string>,
): TensorInfo[] {
  const contexts = new Contexts(4 * RANK_CLASSES, SLOW);
  const history = new Uint8Array(RANK_CLASSES);
  const tensors = infos.filter((info) => {
    const rank = Math.min(info.shape.length, RANK_CLASSES - 1);
    const seen = history[rank] as number;
    const bit = coder.bit(contexts, 4 * rank + seen, chosen?.has(info.name) ? 1 : 0);
    history[rank] = ((seen << 1) | bit) & 3;
    return bit === 1;
  });
  if (tensors.length === 0) throw corrupt('an op names no tensor');
  return tensors;
}

/** Upper bits of a scale's fraction, coded without prediction, and lower bits, which are rarely set. */
const COARSE_BITS = 3;
const FINE_BITS = 4;

/**
 * Codes scales: the upper half of a binary32. The exponent is coded as the distance from the previous
 * exponent, the fraction in two parts, of which the lower is mostly 0.
 */
export class ScaleCoding {
  readonly #distances: NumberCoding;
  readonly #fine = new Contexts(1, SLOW);
  readonly #coder: BitCoder;
  #exponent = 127;

  constructor(coder: BitCoder) {
    this.#coder = coder;
    this.#distances = new NumberCoding(coder, SLOW);
  }

  /**
   * @param info the tensor that the scale is for
   * @param scale for an encoder: what `isScale` accepts
   * @throws NeuralDiffError `corrupt-payload` for an invalid scale
   */
  code(info: TensorInfo, scale = 0): number {
    const upper = (new Uint32Array(Float32Array.of(scale).buffer)[0] as number) >>> 16;
    const distance = (upper >>> 7) - this.#exponent;
    const folded = distance < 0 ? -2 * distance - 1 : 2 * distance;
    const coded = this.#distances.code(folded);
    this.#exponent += coded % 2 === 1 ? -(coded + 1) / 2 : coded / 2;
    const coarse = this.#coder.raw(COARSE_BITS, (upper >>> FINE_BITS) & (2 ** COARSE_BITS - 1));
    const fine = upper & (2 ** FINE_BITS - 1);
    const isFine = this.#coder.bit(this.#fine, 0, fine === 0 ? 0 : 1) === 1;
    const lower = isFine ? this.#coder.raw(FINE_BITS, fine) : 0;
    if (isFine && lower === 0) throw corrupt('the lower bits of a scale are 0 in spite of their flag');
    return checkScale(scaleOf(this.#exponent, (coarse << FINE_BITS) | lower), info);
  }
}

/** @returns the number with an exponent and seven fraction bits; NaN for an exponent out of range */
function scaleOf(exponent: number, fraction: number): number {
  if (exponent < 0 || exponent > 254) return Number.NaN;
  return new Float32Array(Uint32Array.of((exponent << 23) | (fraction << 16)).buffer)[0] as number;
}

/**
 * Checks a scale.
 *
 * @returns whether it is positive, at most `MAX_SCALE`, the upper half of a binary32, and whole for integer
 *   tensors
 */
export function isScale(scale: number, info: TensorInfo): boolean {
  if (!(scale > 0 && scale <= MAX_SCALE) || roundScale(scale) !== scale) return false;
  return DTYPES[info.dtype].kind === 'float' || (Number.isInteger(scale) && scale < 2 ** 24);
}

/** @returns the number with the fraction of a binary32 truncated to its upper seven bits */
export function roundScale(scale: number): number {
  const bits = new Uint32Array(Float32Array.of(scale).buffer);
  bits[0] = (bits[0] as number) & 0xffff0000;
  return new Float32Array(bits.buffer)[0] as number;
}

/**
 * Checks a decoded scale.
 *
 * @returns the scale
 * @throws NeuralDiffError `corrupt-payload` for an invalid scale
 */
export function checkScale(scale: number, info: TensorInfo): number {
  if (!isScale(scale, info))
    throw corrupt(`invalid scale ${scale} for tensor "${info.name}" of ${info.dtype}`);
  return scale;
}
