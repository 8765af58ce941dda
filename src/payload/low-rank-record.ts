import { DTYPES, elementCount, type TensorInfo } from '../model/tensor.js';
import type { Bytes } from './byte-source.js';
import { type BitCoder, NumberCoding, SLOW } from './coding.js';
import { DenseLevels } from './dense-record.js';
import type { LowRankOp } from './diff.js';
import { beyondLimit, corrupt, MAX_COLUMN_LEVELS, MAX_PRODUCTS, MAX_SPARSE_LEVEL } from './limits.js';
import { RangeDecoder } from './range-decoder.js';
import { codeTensors, ScaleCoding } from './record-head.js';

/** A tensor as a matrix. */
interface Sides {
  readonly rows: number;
  readonly columns: number;
  /** Largest rank of a low-rank op: rows or columns, whichever are fewer; 0 if the tensor can have none. */
  readonly most: number;
}

/** @param split the number of dimensions, the first ones, that count rows */
export function sidesOf(info: TensorInfo, split: number): Sides {
  const columns = info.shape.slice(split).reduce((product, size) => product * size, 1);
  const rows = elementCount(info) / columns || 0;
  const isAllowed = DTYPES[info.dtype].kind === 'float' && split <= Math.max(0, info.shape.length - 1);
  return { rows, columns, most: isAllowed ? Math.min(rows, columns) : 0 };
}

/** Grammar and adaptive models of a low-rank record, shared by encoder and decoder. */
export class LowRankCoding {
  readonly #splits: NumberCoding;
  readonly #ranks: NumberCoding;
  readonly #scales: ScaleCoding;
  readonly #columns: DenseLevels;
  readonly #rows: DenseLevels;

  constructor(coder: BitCoder) {
    this.#splits = new NumberCoding(coder, SLOW);
    this.#ranks = new NumberCoding(coder, SLOW);
    this.#scales = new ScaleCoding(coder);
    this.#columns = new DenseLevels(coder, MAX_SPARSE_LEVEL);
    this.#rows = new DenseLevels(coder, MAX_SPARSE_LEVEL);
  }

  codeHead({ split, rank } = { split: 0, rank: 1 }): { split: number; rank: number } {
    return { split: this.#splits.code(split), rank: this.#ranks.code(rank - 1) + 1 };
  }

  /** Codes scales; like the levels below, an encoder leaves them unchanged, a decoder fills them in. */
  codeScales(info: TensorInfo, scales: Float32Array): void {
    for (let k = 0; k < scales.length; k++) scales[k] = this.#scales.code(info, scales[k]);
  }

  codeColumns(levels: Int16Array): void {
    codeLevels(this.#columns, levels);
  }

  codeRows(levels: Int16Array): void {
    codeLevels(this.#rows, levels);
  }
}

function codeLevels(coding: DenseLevels, levels: Int16Array): void {
  for (let i = 0; i < levels.length; i++) levels[i] = coding.code(levels[i]);
}

/** Ranks, and levels of columns, that a tensor has in the records opened so far; by its name. */
export type FactorTotals = Map<string, { readonly ranks: number; readonly levels: number }>;

/** Reads a low-rank record: the levels of all columns before a tensor's first run, those of rows with it. */
export class LowRankReader {
  /** Its tensors, in canonical order. */
  readonly tensors: readonly TensorInfo[];
  readonly decoder: RangeDecoder;
  readonly #coding: LowRankCoding;
  readonly #totals: FactorTotals;
  #tensor: TensorInfo | undefined;
  #split = 0;
  #scales = new Float32Array();
  #columns = new Int16Array();
  /** Levels of columns read so far; rows read so far, and the last of them. */
  #read = 0;
  #rowsRead = 0;
  #row = new Int16Array();

  constructor(record: Bytes, infos: readonly TensorInfo[], totals: FactorTotals = new Map()) {
    this.decoder = new RangeDecoder(record);
    this.tensors = codeTensors(this.decoder, infos);
    this.#coding = new LowRankCoding(this.decoder);
    this.#totals = totals;
  }

  /**
   * Reads the next levels of columns.
   *
   * @param most how many to read
   * @param info their tensor
   * @returns how many are left
   * @throws NeuralDiffError `corrupt-payload`, `limit-exceeded`
   */
  readShared(most: number, info: TensorInfo): number {
    if (this.#tensor !== info) this.#open(info);
    const start = this.#read;
    this.#read = Math.min(start + most, this.#columns.length);
    this.#coding.codeColumns(this.#columns.subarray(start, this.#read));
    return this.#columns.length - this.#read;
  }

  /** @returns the op for a run of elements; runs must be consecutive */
  read(info: TensorInfo, { start, end }: { start: number; end: number }): LowRankOp {
    this.readShared(MAX_COLUMN_LEVELS, info);
    const [scales, columns] = [this.#scales, this.#columns];
    const rank = scales.length;
    const width = columns.length / rank;
    const [first, last] = [Math.floor(start / width), Math.ceil(end / width)];
    const rows = new Int16Array((last - first) * rank);
    // The run before may have ended within a row.
    const known = first < this.#rowsRead ? rank : 0;
    rows.set(this.#row.subarray(0, known));
    this.#coding.codeRows(rows.subarray(known));
    this.#rowsRead = last;
    this.#row = rows.subarray(rows.length - rank);
    const op = { kind: 'low-rank' as const, tensor: info.name, split: this.#split, scales, columns, rows };
    return first === 0 ? op : { ...op, firstRow: first };
  }

  #open(info: TensorInfo): void {
    const { split, rank } = this.#coding.codeHead();
    const { columns, most } = sidesOf(info, split);
    if (rank > most) throw corrupt(`tensor "${info.name}" has no rank ${rank} of split ${split}`);
    const { ranks, levels } = this.#totals.get(info.name) ?? { ranks: 0, levels: 0 };
    const totals = { ranks: ranks + rank, levels: levels + rank * columns };
    if (totals.ranks > MAX_PRODUCTS) throw beyondLimit('ranks for one tensor', MAX_PRODUCTS, totals.ranks);
    if (totals.levels > MAX_COLUMN_LEVELS)
      throw beyondLimit('levels of columns for one tensor', MAX_COLUMN_LEVELS, totals.levels);
    this.#totals.set(info.name, totals);
    this.#tensor = info;
    this.#split = split;
    this.#scales = new Float32Array(rank);
    this.#coding.codeScales(info, this.#scales);
    this.#columns = new Int16Array(rank * columns);
    this.#read = 0;
    this.#rowsRead = 0;
  }
}
