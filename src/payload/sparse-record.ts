import { elementCount, type TensorInfo } from '../model/tensor.js';
import type { Bytes } from './byte-source.js';
import { type BitCoder, NumberCoding, SLOW } from './coding.js';
import type { ExactOp, SparseOp } from './diff.js';
import { corrupt } from './limits.js';
import { MappedPositions, PlainPositions, Slabs, viewOf } from './positions.js';
import { RangeDecoder } from './range-decoder.js';
import { codeTensors, ScaleCoding } from './record-head.js';
import { type ChangeKind, LevelCoding, levelRange } from './sparse-levels.js';

/** Bits of a Rice parameter: gaps are below 2^32. */
export const RICE_BITS = 5;

/** Parameters coded before the values of a tensor. */
export interface SparseHead {
  readonly scale: number;
  readonly view: number;
  readonly rice: number;
}

/** Grammar and adaptive models of a sparse or exact record, shared by encoder and decoder. */
export class SparseCoding {
  readonly coder: BitCoder;
  readonly levels: LevelCoding;
  readonly plain: PlainPositions;
  readonly mapped: MappedPositions;
  readonly #scales: ScaleCoding;
  readonly #views: NumberCoding;
  readonly #kind: ChangeKind;

  constructor(coder: BitCoder, kind: ChangeKind = 'sparse') {
    this.coder = coder;
    this.#kind = kind;
    this.levels = new LevelCoding(coder);
    this.plain = new PlainPositions(coder);
    this.mapped = new MappedPositions(coder, this.levels);
    this.#scales = new ScaleCoding(coder);
    this.#views = new NumberCoding(coder, SLOW);
  }

  /**
   * Codes a tensor's head: scale (sparse ops), code of the view, 0 for plain positions, and then the Rice
   * parameter.
   */
  codeHead(info: TensorInfo, head: SparseHead = { scale: 0, view: 0, rice: 0 }): SparseHead {
    this.levels.range = levelRange(this.#kind, info);
    const scale = this.#kind === 'sparse' ? this.#scales.code(info, head.scale) : 1;
    const view = this.#views.code(head.view);
    const rice = view === 0 ? this.coder.raw(RICE_BITS, head.rice) : 0;
    return { scale, view, rice };
  }
}

/** Positions and 32-bit levels. */
export type Values = Pick<ExactOp, 'positions' | 'levels'>;

/** Positions and levels of a sparse or exact op. */
export type ChangedElements = Pick<SparseOp | ExactOp, 'positions' | 'levels'>;

/** Arrays for the levels of slabs: a tensor that is being read borrows one, for as long as it is read. */
export class SlabPool {
  readonly #spare: Int32Array[] = [];

  /** @returns an array with at least so many levels, not cleared */
  lend(size: number): Int32Array {
    const slab = this.#spare.pop();
    return slab !== undefined && slab.length >= size ? slab : new Int32Array(size);
  }

  takeBack(slab: Int32Array): void {
    this.#spare.push(slab);
  }
}

/** Collects changed weights in growing arrays, which can be reused for several runs and records. */
export class Changes {
  #positions = new Uint32Array(256);
  #levels = new Int32Array(256);
  #count = 0;

  add(position: number, level: number): void {
    if (this.#count === this.#positions.length) this.#grow();
    this.#positions[this.#count] = position;
    this.#levels[this.#count++] = level;
  }

  /** @returns the changes since the last call, valid until `add` is called */
  borrow(): Values {
    const end = this.#count;
    this.#count = 0;
    return { positions: this.#positions.subarray(0, end), levels: this.#levels.subarray(0, end) };
  }

  #grow(): void {
    const [positions, levels] = [this.#positions, this.#levels];
    this.#positions = new Uint32Array(2 * this.#count);
    this.#levels = new Int32Array(2 * this.#count);
    this.#positions.set(positions);
    this.#levels.set(levels);
  }
}

/** Reads a tensor's values up to an element, from the end of the previous call. */
type ReadValues = (end: number) => Values;

/** Reads a sparse or exact record sequentially, a run of elements at a time. */
export class SparseReader {
  /** Its tensors, in canonical order. */
  readonly tensors: readonly TensorInfo[];
  readonly decoder: RangeDecoder;
  readonly #coding: SparseCoding;
  readonly #kind: ChangeKind;
  #scale = 0;
  readonly changes: Changes;
  readonly #slabs: SlabPool;
  #readValues!: ReadValues;
  #hasChanges = false;

  constructor(
    record: Bytes,
    infos: readonly TensorInfo[],
    {
      kind,
      changes = new Changes(),
      slabs = new SlabPool(),
    }: { kind: ChangeKind; changes?: Changes | undefined; slabs?: SlabPool },
  ) {
    this.#kind = kind;
    this.changes = changes;
    this.#slabs = slabs;
    this.decoder = new RangeDecoder(record);
    this.tensors = codeTensors(this.decoder, infos);
    for (const info of this.tensors)
      if (elementCount(info) === 0) throw corrupt(`tensor "${info.name}" has no weights to change`);
    this.#coding = new SparseCoding(this.decoder, kind);
  }

  /**
   * @returns the op for a run of elements; runs must be consecutive; the arrays are valid until the next call
   */
  read(info: TensorInfo, { start, end }: { start: number; end: number }): SparseOp | ExactOp {
    if (start === 0) this.#open(info);
    const { positions, levels } = this.#readValues(end);
    if (positions.length > 0) this.#hasChanges = true;
    if (end === elementCount(info) && !this.#hasChanges)
      throw corrupt(`tensor "${info.name}" is listed but does not change`);
    if (this.#kind === 'exact') return { kind: 'exact', tensor: info.name, positions, levels };
    return {
      kind: 'sparse',
      tensor: info.name,
      scale: this.#scale,
      positions,
      levels: new Int16Array(levels),
    };
  }

  #open(info: TensorInfo): void {
    const { scale, view, rice } = this.#coding.codeHead(info);
    this.#scale = scale;
    this.#hasChanges = false;
    this.#readValues = view === 0 ? this.#plainReader(info, rice) : this.#mappedReader(info, view);
  }

  #plainReader(info: TensorInfo, rice: number): ReadValues {
    const { plain, levels } = this.#coding;
    const bounds = { rice, elements: elementCount(info) };
    let next = plain.code(0, bounds);
    levels.startLine();
    return (end) => {
      while (next < end) {
        this.changes.add(next, levels.code());
        next = plain.code(next + 1, bounds);
      }
      return this.changes.borrow();
    };
  }

  /** Decodes one slab at a time. */
  #mappedReader(info: TensorInfo, view: number): ReadValues {
    const slabs = new Slabs(info, viewOf(view));
    const slabLevels = this.#slabs.lend(slabs.size);
    let [slabStart, slabEnd, from] = [0, 0, 0];
    return (end) => {
      while (from < end) {
        if (from === slabEnd) {
          [slabStart, slabEnd] = [slabs.start, slabs.start + slabs.size];
          this.#coding.mapped.code(slabs.next(slabLevels.fill(0)));
        }
        for (const upTo = Math.min(end, slabEnd); from < upTo; from++) {
          const level = slabLevels[from - slabStart] as number;
          if (level !== 0) this.changes.add(from, level);
        }
      }
      if (end === elementCount(info)) this.#slabs.takeBack(slabLevels);
      return this.changes.borrow();
    };
  }
}
