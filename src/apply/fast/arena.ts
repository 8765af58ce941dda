import type { HashOp } from '../../payload/diff.js';
import { MAX_BLOCK } from '../../payload/limits.js';
import type { Kernels } from './kernels.js';

/** Positions or levels that the kernels take in one call. */
export const PIECE = 65_536;

/** Bytes of a page of WebAssembly memory, and the most pages whose end is an address of 32 bits. */
const PAGE_BYTES = 65_536;
const MAX_PAGES = 65_535;

/** Four-byte values for which there is room: 32 MiB. */
export const MAX_TABLE_VALUES = 2 ** 23;

/** What stands behind the last bucket's value, so that no run of neighbours has to wrap: the first ones anew. */
const EXTRA = MAX_BLOCK - 1;

/** Buckets that a table may have: it is there twice. */
export const MAX_TABLE_BUCKETS = MAX_TABLE_VALUES / 2 - EXTRA;

/** Buckets that a table of bytes may have. */
export const MAX_BYTE_BUCKETS = 4 * MAX_TABLE_VALUES - EXTRA;

/** Where things lie: positions (u32), levels (i16 or i8), tables of bucket values, data. */
const LEVELS_AT = 4 * PIECE;
const TABLES_AT = LEVELS_AT + 2 * PIECE;
const DATA_AT = TABLES_AT + 4 * MAX_TABLE_VALUES;

/**
 * A wasm memory with kernels of its own: room for data, and what the kernels need beside it. It never grows, since that
 * would detach every array that was lent. What is not used of it costs addresses, not memory.
 */
export class Arena {
  readonly kernels: Kernels;
  /** The room for data. */
  readonly data: Uint8Array;
  readonly tables: Tables;
  readonly #positions: Uint32Array;
  readonly #levels: Int16Array;
  readonly #bytes: Int8Array;

  private constructor(memory: WebAssembly.Memory, module: WebAssembly.Module, byteLength: number) {
    const { buffer } = memory;
    this.kernels = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Kernels;
    this.data = new Uint8Array(buffer, DATA_AT, byteLength);
    this.tables = new Tables(buffer, TABLES_AT);
    this.#positions = new Uint32Array(buffer, 0, PIECE);
    this.#levels = new Int16Array(buffer, LEVELS_AT, PIECE);
    this.#bytes = new Int8Array(buffer, LEVELS_AT, PIECE);
  }

  /** @returns an arena with room for some bytes of data, or undefined when there is no such memory to be had */
  static create(module: WebAssembly.Module, byteLength: number): Arena | undefined {
    const pages = Math.ceil((DATA_AT + byteLength) / PAGE_BYTES);
    if (pages > MAX_PAGES) return undefined;
    let memory: WebAssembly.Memory;
    try {
      memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    } catch (error) {
      if (error instanceof RangeError) return undefined;
      throw error;
    }
    return new Arena(memory, module, byteLength);
  }

  /** Puts positions and their levels, at most `PIECE` of them, where the kernels find them. */
  putSparse(positions: Uint32Array, levels: Int16Array): { positions: number; levels: number } {
    this.#positions.set(positions);
    this.#levels.set(levels);
    return { positions: 0, levels: LEVELS_AT };
  }

  /** Puts levels of a dense op, at most `PIECE` of them, where the kernels find them. */
  putDense(levels: Int8Array): number {
    this.#bytes.set(levels);
    return LEVELS_AT;
  }
}

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
