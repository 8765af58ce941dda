import { type HashOp, MAX_BLOCK } from '../payload/index.js';

/** Four-byte values for which there is room: 32 MiB. */
export const MAX_TABLE_VALUES = 2 ** 23;

/** What stands behind the last bucket's value, so that no run of neighbours has to wrap: the first ones anew. */
const EXTRA = MAX_BLOCK - 1;

/** Buckets that a table may have: it is there twice. */
export const MAX_TABLE_BUCKETS = MAX_TABLE_VALUES / 2 - EXTRA;

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
  /** Addresses by buckets, then by scale, which is negative for integers. */
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
    if (this.#used + 2 * count > MAX_TABLE_VALUES) {
      this.#known = new WeakMap();
      this.#used = 0;
    }
    const table = kind === 'float' ? this.#floats : this.#integers;
    fill(table.subarray(this.#used, this.#used + count), values, scale);
    fill(table.subarray(this.#used + count, this.#used + 2 * count), values, -scale);
    const address = this.#start + 4 * this.#used;
    this.#used += 2 * count;
    const scales = this.#known.get(values) ?? new Map<number, number>();
    this.#known.set(values, scales.set(key, address));
    return address;
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
