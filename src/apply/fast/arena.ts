import type { HashOp } from '../../payload/diff.js';
import { MAX_BLOCK } from '../../payload/limits.js';
import type { Kernels } from './kernels.js';

/** Maximum number of positions or levels per kernel call. */
export const PIECE = 65_536;

/** Bytes of a page of WebAssembly memory, and the maximum number of pages with a 32-bit end address. */
const PAGE_BYTES = 65_536;
const MAX_PAGES = 65_535;

/** Capacity of the tables in four-byte values: 32 MiB. */
const MAX_TABLE_VALUES = 2 ** 23;

/** Copies of the first values after the last bucket's value, so that runs of buckets need not wrap. */
const EXTRA = MAX_BLOCK - 1;

/** Maximum number of buckets of a table, which is stored twice. */
export const MAX_TABLE_BUCKETS = MAX_TABLE_VALUES / 2 - EXTRA;

/** Maximum number of buckets of a byte table. */
export const MAX_BYTE_BUCKETS = 4 * MAX_TABLE_VALUES - EXTRA;

/** Memory map: positions (u32) at 0, levels (i16 or i8), tables of bucket values, data. */
const LEVELS_AT = 4 * PIECE;
const TABLES_AT = LEVELS_AT + 2 * PIECE;
const DATA_AT = TABLES_AT + 4 * MAX_TABLE_VALUES;

/**
 * A WebAssembly memory with its own kernel instance, for data and the kernels' inputs.
 *
 * It never grows, since that would detach the arrays in use. Unused parts take address space, not memory.
 */
export class Arena {
  readonly kernels: Kernels;
  /** The memory for data. */
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

  /** @returns an arena with `byteLength` bytes for data, or undefined if the memory cannot be allocated */
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

  /** Copies at most `PIECE` positions and their levels into the memory. @returns their addresses */
  putSparse(positions: Uint32Array, levels: Int16Array): { positions: number; levels: number } {
    this.#positions.set(positions);
    this.#levels.set(levels);
    return { positions: 0, levels: LEVELS_AT };
  }

  /** Copies at most `PIECE` levels of a dense op into the memory. @returns their address */
  putDense(levels: Int8Array): number {
    this.#bytes.set(levels);
    return LEVELS_AT;
  }
}

/** @returns the distance in bytes from a table to the table with opposite signs, which follows it */
export function tableBytes(bucketCount: number): number {
  return 4 * (bucketCount + EXTRA);
}

type BucketValues = HashOp['buckets']['values'];

/**
 * A cache of scaled bucket values in WebAssembly memory. Each table is followed by one with opposite signs.
 * All tables are dropped when the capacity is exceeded. Filling tables takes no more work in all than a
 * constant and what patching takes: each element patched by a hash op pays for one value.
 */
export class Tables {
  readonly #start: number;
  readonly #floats: Float32Array;
  readonly #integers: Int32Array;
  readonly #bytes: Int8Array;
  /** Addresses by buckets, then by scale: negative for integers, 0 for byte tables. */
  #known = new WeakMap<BucketValues, Map<number, number>>();
  #used = 0;
  /** Values that may still be filled in. */
  #credit = 2 * MAX_TABLE_VALUES;

  /**
   * @param buffer the memory
   * @param start offset of the tables, a multiple of 4
   */
  constructor(buffer: ArrayBuffer, start: number) {
    this.#start = start;
    this.#floats = new Float32Array(buffer, start, MAX_TABLE_VALUES);
    this.#integers = new Int32Array(buffer, start, MAX_TABLE_VALUES);
    this.#bytes = new Int8Array(buffer, start, 4 * MAX_TABLE_VALUES);
  }

  /**
   * Finds or fills the table of scaled bucket values.
   *
   * @param values at most `MAX_TABLE_BUCKETS` buckets
   * @param scale factor of the values
   * @param kind `integer` for i32, `float` for f32
   * @returns the address of the table; undefined where filling it would take too much work
   */
  locate(values: BucketValues, scale: number, kind: 'float' | 'integer'): number | undefined {
    const key = kind === 'float' ? scale : -scale;
    const known = this.#known.get(values)?.get(key);
    if (known !== undefined) return known;
    const count = values.length + EXTRA;
    if (2 * count > this.#credit) return undefined;
    this.#credit -= 2 * count;
    const first = this.#reserve(values, key, 2 * count);
    const table = kind === 'float' ? this.#floats : this.#integers;
    fill(table.subarray(first, first + count), values, scale);
    fill(table.subarray(first + count, first + 2 * count), values, -scale);
    return this.#start + 4 * first;
  }

  /**
   * Finds or fills the table of unscaled buckets.
   *
   * @param values at most `MAX_BYTE_BUCKETS` integer buckets
   * @returns the address of the table of i8 values
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

  /** Counts elements that are patched, which pay for tables. */
  pay(elements: number): void {
    this.#credit = Math.min(this.#credit + elements, 2 * MAX_TABLE_VALUES);
  }

  /** Reserves `count` four-byte values for a table. @returns the index of the first */
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
 * Fills a table with scaled values. Each product is exact in a double and rounded once when stored. Float
 * zeros become -0, since adding -0 leaves every number unchanged, including 0 and -0.
 */
function fill(table: Float32Array | Int32Array, values: BucketValues, scale: number): void {
  const count = values.length;
  for (let i = 0; i < count; i++) {
    table[i] = (values[i] as number) * scale;
    if (table[i] === 0) table[i] = -0;
  }
  for (let i = count; i < table.length; i++) table[i] = table[i - count] as number;
}
