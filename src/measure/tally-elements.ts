import { DTYPES, type DType, floatsOf, type Quantization, type TensorInfo } from '../model/index.js';
import type { Layer } from '../report/index.js';

/** A run of a tensor's elements before and after; aligned as its dtype wants it. */
export interface ElementRun {
  readonly before: Uint8Array;
  readonly after: Uint8Array;
  /** Number of the first element. */
  readonly start: number;
}

/** Counts what changes in a tensor, run by run. */
export class ElementTally {
  readonly #info: TensorInfo;
  /** What an element's number is multiplied with, for each index of the last dimension or for all, and what is added. */
  readonly #scales: ArrayLike<number>;
  readonly #zero: number;
  readonly #min: number;
  #changed = 0;
  /** Weights that are numbers before and after, and their sums of squares. */
  #numbers = 0;
  #change = 0;
  #magnitude = 0;

  /** @param quantization what the tensor's integers stand for; themselves unless given */
  constructor(info: TensorInfo, { scale, zeroPoint = 0, min = 0 }: Quantization = { scale: 1 }) {
    this.#info = info;
    this.#scales = typeof scale === 'number' ? [scale] : scale;
    this.#zero = zeroPoint;
    this.#min = min;
  }

  add({ before, after, start }: ElementRun): void {
    const { dtype } = this.#info;
    this.#changed += countDifferences(wordsOf(dtype, before), wordsOf(dtype, after));
    const [from, to] = [valuesOf(dtype, before), valuesOf(dtype, after)];
    for (let i = 0; i < from.length; i++) {
      const scale = this.#scales[(start + i) % this.#scales.length] as number;
      const old = scale * ((from[i] as number) - this.#zero) + this.#min;
      const change = scale * ((to[i] as number) - (from[i] as number));
      if (!Number.isFinite(old) || !Number.isFinite(change)) continue;
      this.#numbers++;
      this.#change += change * change;
      this.#magnitude += old * old;
    }
  }

  /** @returns what has been counted; root mean squares of weights that are finite before and after */
  result(): Pick<Layer, 'changed' | 'change' | 'magnitude'> {
    const rootOf = (squares: number): number => Math.sqrt(squares / Math.max(1, this.#numbers));
    return { changed: this.#changed, change: rootOf(this.#change), magnitude: rootOf(this.#magnitude) };
  }
}

/** @returns the bits of elements, one number each */
function wordsOf(dtype: DType, bytes: Uint8Array): ArrayLike<number> {
  const { buffer, byteOffset, length } = bytes;
  const size = DTYPES[dtype].bytes;
  if (size === 1) return bytes;
  const View = size === 4 ? Uint32Array : Uint16Array;
  return new View(buffer as ArrayBuffer, byteOffset, length / size);
}

function valuesOf(dtype: DType, bytes: Uint8Array): ArrayLike<number> {
  if (DTYPES[dtype].kind === 'float') return floatsOf({ dtype, bytes });
  const { buffer, byteOffset, length } = bytes;
  if (dtype === 'uint8') return bytes;
  const View = dtype === 'int32' ? Int32Array : Int8Array;
  return new View(buffer as ArrayBuffer, byteOffset, length / DTYPES[dtype].bytes);
}

function countDifferences(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let count = 0;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) count++;
  return count;
}
