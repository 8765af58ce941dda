import { type HashOp, MAX_BLOCK } from '../payload/index.js';

/** Four-byte values for which there is room: 32 MiB. */
export const MAX_TABLE_VALUES = 2 ** 23;

/** What stands behind the last bucket's value, so that no run of neighbours has to wrap: the first ones anew. */
const EXTRA = MAX_BLOCK - 1;

/** Buckets that a table may have: it is there twice. */
export const MAX_TABLE_BUCKETS = MAX_TABLE_VALUES / 2 - EXTRA;

/** Buckets that a table of bytes may have. */
export const MAX_BYTE_BUCKETS = 4 * MAX_TABLE_VALUES - EXTRA;

/** @returns the bytes from a table to the one with the opposite signs, which follows it */
export function tableBytes(bucketCount: number): number {
  return 4 * (bucketCount + EXTRA);
}

type BucketValues = HashOp['buckets']['values'];

/**
 * Bucket values times a scale, in wasm memory, each table followed by one with the opposite signs. They are kept until
 * the room is needed for others.
 */
export class Tables {
  readonly #start: number;
  readonly #floats: Float32Array;
  readonly #integers: Int32Array;
  readonly #bytes: Int8Array;
  /** Addresses by buckets, then by scale, which is negative for integers, 0 for tables of bytes. */
  #known = new WeakMap<BucketValues, Map<number, number>>();
  #used = 0;

  /**
   * @param buffer the memory
   * @param start where the room for tables begins: a multiple of 4
   */
  constructor(buffer: ArrayBuffer, start: number) {
    this.#start = start;
    this.#floats = new Float32Array(buffer, start, MAX_TABLE_VALUES);
    this.#integers = new Int32Array(buffer, start, MAX_TABLE_VALUES);
    this.#bytes = new Int8Array(buffer, start, 4 * MAX_TABLE_VALUES);
  }

  /**
   * @param values at most `MAX_TABLE_BUCKETS` buckets
   * @param scale what they are multiplied with
   * @param kind `integer` for i32, `float` for f32
   * @returns the address of the table
   */
  locate(values: BucketValues, scale: number, kind: 'float' | 'integer'): number {
    const key = kind === 'float' ? scale : -scale;
    const known = this.#known.get(values)?.get(key);
    if (known !== undefined) return known;
    const count = values.length + EXTRA;
    const first = this.#reserve(values, key, 2 * count);
    const table = kind === 'float' ? this.#floats : this.#integers;
    fill(table.subarray(first, first + count), values, scale);
    fill(table.subarray(first + count, first + 2 * count), values, -scale);
    return this.#start + 4 * first;
  }

  /**
   * @param values at most `MAX_BYTE_BUCKETS` whole buckets
   * @returns the address of a table of them as they are, i8 each
   */
  locateBytes(values: BucketValues): number {
    const known = this.#known.get(values)?.get(0);
    if (known !== undefined) return known;
    const count = values.length + EXTRA;
    const first = 4 * this.#reserve(values, 0, Math.ceil(count / 4));
    const table = this.#bytes.subarray(first, first + count);
    table.set(values);
    for (let i = values.length; i < count; i++) table[i] = table[i - values.length] as number;
    return this.#start + first;
  }

  /** @returns the first of `count` four-byte values that are free, and remembers whose they are */
  #reserve(values: BucketValues, key: number, count: number): number {
    if (this.#used + count > MAX_TABLE_VALUES) {
      this.#known = new WeakMap();
      this.#used = 0;
    }
    const first = this.#used;
    this.#used += count;
    const scales = this.#known.get(values) ?? new Map<number, number>();
    this.#known.set(values, scales.set(key, this.#start + 4 * first));
    return first;
  }
}

/**
 * Storing into the table rounds the product, which is exact in a double, once. Zeros of floats become negative: adding
 * -0 leaves any number as it is, 0 and -0 among them.
 */
function fill(table: Float32Array | Int32Array, values: BucketValues, scale: number): void {
  const count = values.length;
  for (let i = 0; i < count; i++) {
    table[i] = (values[i] as number) * scale;
    if (table[i] === 0) table[i] = -0;
  }
  for (let i = count; i < table.length; i++) table[i] = table[i - count] as number;
}
