import { NeuralDiffError } from '../src/model/errors.js';
import type { TensorInfo } from '../src/model/tensor.js';
import { Contexts, NumberCoding, SLOW } from '../src/payload/coding.js';
import { DenseLevels } from '../src/payload/dense-record.js';
import { codePlacement, type Placement } from '../src/payload/hash-record.js';
import { LowRankCoding } from '../src/payload/low-rank-record.js';
import { RangeEncoder } from '../src/payload/range-encoder.js';
import { codeTensors, ScaleCoding } from '../src/payload/record-head.js';
import { SparseCoding } from '../src/payload/sparse-record.js';

/** Writes what the coder's own checks would refuse: they come behind the bits. */
function write(code: () => unknown): void {
  try {
    code();
  } catch (error) {
    if (!(error instanceof NeuralDiffError)) throw error;
  }
}

/** Writes records piece by piece, right or wrong. */
export class RecordForge {
  readonly #encoder = new RangeEncoder();
  readonly #infos: readonly TensorInfo[];
  #scales = new ScaleCoding(this.#encoder);
  readonly #sparse: SparseCoding;
  #levels = new DenseLevels(this.#encoder);
  readonly #lowRank = new LowRankCoding(this.#encoder);

  /**
   * @param infos the directory, in canonical order
   * @param kind whose heads and levels `head` and `level` write
   */
  constructor(infos: readonly TensorInfo[], kind: 'sparse' | 'exact' = 'sparse') {
    this.#infos = infos;
    this.#sparse = new SparseCoding(this.#encoder, kind);
  }

  #info(name: string): TensorInfo {
    return this.#infos.find((info) => info.name === name) as TensorInfo;
  }

  tensors(...names: string[]): this {
    write(() => codeTensors(this.#encoder, this.#infos, new Set(names)));
    return this;
  }

  /** The scale of a dense or hash op. */
  scale(name: string, scale: number): this {
    write(() => this.#scales.code(this.#info(name), scale));
    return this;
  }

  /** A scale of 1 whose lower bits are said not to be 0, but are. */
  scaleOfZeros(): this {
    new NumberCoding(this.#encoder, SLOW).code(0);
    this.raw(3, 0);
    this.#encoder.bit(new Contexts(1, SLOW), 0, 1);
    return this.raw(4, 0);
  }

  /** Levels of a dense record. */
  levels(...levels: number[]): this {
    for (const level of levels) write(() => this.#levels.code(level));
    return this;
  }

  /** What stands before a sparse tensor's values. */
  head(name: string, head: { scale?: number; view?: number; rice?: number } = {}): this {
    const whole = { scale: 1, view: 0, rice: 0, ...head };
    // A scale that is refused keeps the rest from being written: no one would read it.
    write(() => this.#sparse.codeHead(this.#info(name), whole));
    return this;
  }

  /** The next position of a sparse tensor without a map; the number of elements for none. */
  position(from: number, next: number, bounds: { rice: number; elements: number }): this {
    write(() => this.#sparse.plain.code(from, bounds, next));
    return this;
  }

  /** The next level of a sparse tensor. */
  level(level: number): this {
    write(() => this.#sparse.levels.code(level));
    return this;
  }

  /** Decisions on lines and elements of a map, all of them the same. */
  map(lines: number, length: number): this {
    const levels = new Int32Array(lines * length);
    const columns = new Uint8Array(length);
    const slab = { levels, columns, lines, length, lineStep: length, step: 1, firstLine: 0 };
    this.#sparse.mapped.code(slab);
    return this;
  }

  /** What stands before a low-rank tensor's levels, with one scale for each rank. */
  factors(name: string, head: { split?: number; rank?: number }, scale = 1): this {
    const { split = 1, rank = 1 } = head;
    write(() => this.#lowRank.codeHead({ split, rank }));
    const scales = new Float32Array(Math.min(rank, 2 ** 10)).fill(scale);
    write(() => this.#lowRank.codeScales(this.#info(name), scales));
    return this;
  }

  /** Levels of columns, and of rows, of a low-rank tensor. */
  factorLevels(columns: number[], rows: number[]): this {
    // A level of 32,768 does not fit into the array that the coder fills.
    write(() => this.#lowRank.codeColumns(columns as unknown as Int16Array));
    write(() => this.#lowRank.codeRows(rows as unknown as Int16Array));
    return this;
  }

  placement(placement: Partial<Placement> = {}): this {
    write(() => codePlacement(this.#encoder, { seed: 0, block: 1, count: 1, ...placement }));
    return this;
  }

  /** A placement whose block is a number of 2^32. */
  placementBeyond(): this {
    const numbers = new NumberCoding(this.#encoder, SLOW);
    this.raw(16, 0).raw(16, 0);
    write(() => numbers.code(2 ** 32));
    return this;
  }

  raw(width: number, value: number): this {
    this.#encoder.raw(width, value);
    return this;
  }

  finish(): Uint8Array {
    return this.#encoder.finish();
  }
}
