import { elementCount, type TensorInfo } from '../model/tensor.js';
import type { SparseOp } from './diff.js';
import { codeOf, rowLength, type Slab, Slabs, viewOf } from './positions.js';
import { RangeEncoder } from './range-encoder.js';
import { codeTensors } from './record-head.js';
import { type ChangeKind, levelRange } from './sparse-levels.js';
import { type ChangedElements, RICE_BITS, SparseCoding, type SparseHead } from './sparse-record.js';

/** Codes the changes up to an element, from the end of the previous call. */
type WriteValues = (values: ChangedElements, end: number) => void;

/** Options of `SparseWriter`. */
interface SparseWriterOptions {
  readonly kind: ChangeKind;
  /** Names of the record's tensors, at least one. */
  readonly tensors: ReadonlySet<string>;
  /** Receives bytes as they are written; without a sink `finish` returns all of them. */
  readonly sink?: (bytes: Uint8Array) => void;
}

/**
 * Writes a sparse or exact record sequentially, a run of elements at a time; the counterpart of
 * `SparseReader`.
 */
export class SparseWriter {
  readonly #encoder: RangeEncoder;
  readonly #coding: SparseCoding;
  #writeValues: WriteValues = () => {};

  /** @param infos the model's tensors, in canonical order */
  constructor(infos: readonly TensorInfo[], { kind, tensors, sink }: SparseWriterOptions) {
    this.#encoder = new RangeEncoder(sink);
    codeTensors(this.#encoder, infos, tensors);
    this.#coding = new SparseCoding(this.#encoder, kind);
  }

  /** Begins the next tensor of the record, in canonical order. */
  open(info: TensorInfo, head: SparseHead): void {
    this.#coding.codeHead(info, head);
    this.#writeValues = valueWriter(this.#coding, info, head);
  }

  /**
   * Writes the changes of a run of elements; runs must be consecutive.
   *
   * @param values the changes in the run
   * @param end end of the run, exclusive
   */
  write(values: ChangedElements, end: number): void {
    this.#writeValues(values, end);
  }

  /** @returns the bytes that the sink has not received */
  finish(): Uint8Array {
    return this.#encoder.finish();
  }
}

/** @returns the function that codes a tensor's values, after its head */
function valueWriter(coding: SparseCoding, info: TensorInfo, head: SparseHead): WriteValues {
  return head.view === 0 ? plainWriter(coding, info, head.rice) : mappedWriter(coding, info, head.view);
}

function plainWriter({ plain, levels }: SparseCoding, info: TensorInfo, rice: number): WriteValues {
  const bounds = { rice, elements: elementCount(info) };
  levels.startLine();
  let from = 0;
  return (values, end) => {
    for (let i = 0; i < values.positions.length; i++) {
      const position = values.positions[i] as number;
      plain.code(from, bounds, position);
      levels.code(values.levels[i]);
      from = position + 1;
    }
    if (end === bounds.elements) plain.code(from, bounds, bounds.elements);
  };
}

/** Collects and codes one slab at a time. */
function mappedWriter({ mapped }: SparseCoding, info: TensorInfo, view: number): WriteValues {
  const slabs = new Slabs(info, viewOf(view));
  const slabLevels = new Int32Array(slabs.size);
  return ({ positions, levels }, end) => {
    for (let i = 0; slabs.size > 0; ) {
      const { start, size } = slabs;
      const upTo = Math.min(end, start + size);
      for (; i < positions.length && (positions[i] as number) < upTo; i++)
        slabLevels[(positions[i] as number) - start] = levels[i] as number;
      if (upTo < start + size) return;
      const slab = slabs.next(slabLevels);
      mapped.code({ ...slab, occupied: occupiedLines(slab) });
      slabLevels.fill(0);
    }
  };
}

/** Reads the levels in the order in which they are stored, as other orders miss the cache. */
function occupiedLines({ levels, lines, lineStep }: Slab): Uint8Array {
  const occupied = new Uint8Array(lines);
  for (let at = 0; at < levels.length; at++)
    if (levels[at] !== 0) occupied[lineStep === 1 ? at % lines : Math.floor(at / lineStep)] = 1;
  return occupied;
}

/** Some of a tensor's elements, as a separate tensor with the same number of dimensions. */
export interface Sample {
  readonly info: TensorInfo;
  readonly values: ChangedElements;
}

/** Properties of a tensor's changes that are known before coding. */
interface ChangeFacts {
  readonly kind: ChangeKind;
  /** Scale of a sparse op; 1 for an exact op. */
  readonly scale: number;
  /** Number of changed elements in the whole tensor. */
  readonly count: number;
}

/** The best head and the size of the tried samples in bits. */
export interface ChosenHead {
  readonly head: SparseHead;
  readonly bits: number;
}

/** A candidate head and an encoder that measures it. */
interface Trial {
  readonly head: SparseHead;
  readonly encoder: RangeEncoder;
  readonly coding: SparseCoding;
}

/** Measures samples of a tensor's changes under all candidate heads, without keeping the output. */
export class HeadTrials {
  readonly #kind: ChangeKind;
  readonly #trials: readonly Trial[];

  constructor(info: TensorInfo, facts: ChangeFacts) {
    this.#kind = facts.kind;
    this.#trials = [0, ...viewsOf(info)].map((view) => {
      const encoder = new RangeEncoder(() => {});
      const head = headWith(view, info, facts);
      return { head, encoder, coding: new SparseCoding(encoder, facts.kind) };
    });
  }

  /** @param sample the tensor itself, or the next part of it */
  add({ info, values }: Sample): void {
    for (const { head, coding } of this.#trials) {
      coding.levels.range = levelRange(this.#kind, info);
      valueWriter(coding, info, head)(values, elementCount(info));
    }
  }

  /** @returns the head with the fewest bits, the first of equals */
  best(): ChosenHead {
    const costs = this.#trials.map(({ head, encoder }) => encoder.cost + (head.view === 0 ? RICE_BITS : 0));
    const bits = Math.min(...costs);
    return { head: (this.#trials[costs.indexOf(bits)] as Trial).head, bits };
  }
}

/** @returns the head that codes a tensor's changes in the fewest bits */
export function chooseHead(info: TensorInfo, facts: ChangeFacts, values: ChangedElements): ChosenHead {
  const trials = new HeadTrials(info, facts);
  trials.add({ info, values });
  return trials.best();
}

/** Chooses how a sparse op's positions are coded. */
export type ChooseHead = (op: SparseOp, info: TensorInfo) => SparseHead;

/** @returns a function that tries every way for a tensor's first op, and takes the same for its later ones */
export function rememberHeads(): ChooseHead {
  const views = new Map<string, number>();
  return (op, info) => {
    const facts = { kind: op.kind, scale: op.scale, count: op.positions.length };
    const view = views.get(op.tensor) ?? chooseHead(info, facts, op).head.view;
    views.set(op.tensor, view);
    return headWith(view, info, facts);
  };
}

function headWith(view: number, info: TensorInfo, { scale, count }: ChangeFacts): SparseHead {
  return { scale, view, rice: view === 0 ? riceOf(count, elementCount(info)) : 0 };
}

function viewsOf(info: TensorInfo): number[] {
  const splits = Array.from({ length: Math.max(1, info.shape.length) }, (_, split) => split);
  const views = splits.flatMap((split) => [
    codeOf({ split, transposed: false }),
    codeOf({ split, transposed: true }),
  ]);
  const elements = elementCount(info);
  return views.filter((view) => {
    const row = rowLength(info, viewOf(view));
    // A single line, or lines of one element, are the same when transposed.
    const isSingle = row === elements || row === 1;
    return row > 0 && !(isSingle && viewOf(view).transposed);
  });
}

/** @returns the Rice parameter at which about half of the quotients are 0: `2^rice` up to 0.69 mean gaps */
function riceOf(count: number, elements: number): number {
  let rice = 0;
  while (rice < 31 && 2 ** (rice + 1) * count * 100 <= 69 * elements) rice++;
  return rice;
}
