import { DTYPES, type TensorInfo } from '../model/index.js';
import { corrupt } from './corrupt.js';
import { MAX_SCALE } from './limits.js';

/** Writes the fixed fields at the start of a record: little-endian, one after the other. */
export class FieldWriter {
  readonly #bytes: number[] = [];

  uint8(value: number): this {
    this.#bytes.push(value);
    return this;
  }

  uint32(value: number): this {
    this.#bytes.push(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24);
    return this;
  }

  float32(value: number): this {
    return this.uint32(new Uint32Array(Float32Array.of(value).buffer)[0] as number);
  }

  /** @returns the fields followed by a body */
  finish(body: Uint8Array): Uint8Array {
    const bytes = new Uint8Array(this.#bytes.length + body.length);
    bytes.set(this.#bytes);
    bytes.set(body, this.#bytes.length);
    return bytes;
  }
}

/** Reads the fixed fields at the start of a record; never past the end. */
export class FieldReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  uint8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  uint32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  float32(): number {
    return this.#view.getFloat32(this.#advance(4), true);
  }

  /** @returns a view of everything after the fields read so far */
  borrowRest(): Uint8Array {
    return this.#bytes.subarray(this.#at);
  }

  #advance(count: number): number {
    const at = this.#at;
    if (at + count > this.#bytes.length) throw corrupt('an op is shorter than its fixed fields');
    this.#at += count;
    return at;
  }
}

/**
 * Checks a scale: positive and bounded, and whole where integers are added.
 *
 * @param scale the scale
 * @param info the tensor that it will be applied to
 * @returns the scale
 * @throws NeuralDiffError `corrupt-payload`
 */
export function checkScale(scale: number, info: TensorInfo): number {
  const whole = DTYPES[info.dtype].kind === 'float' || (Number.isInteger(scale) && scale < 2 ** 24);
  if (!(scale > 0 && scale <= MAX_SCALE) || !whole) {
    throw corrupt(`tensor "${info.name}" of ${info.dtype} has a scale of ${scale}`);
  }
  return scale;
}
