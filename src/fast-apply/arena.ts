import type { Kernels } from './kernels.js';
import { MAX_TABLE_VALUES, Tables } from './tables.js';

/** Positions or levels that the kernels take in one call. */
export const PIECE = 65_536;

/** Bytes of a page of WebAssembly memory, and the most pages whose end is an address of 32 bits. */
const PAGE_BYTES = 65_536;
const MAX_PAGES = 65_535;

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
