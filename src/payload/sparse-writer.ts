import { elementCount, type TensorInfo } from '../model/tensor.js';
import { codeOf, rowLength, type Slab, Slabs, viewOf } from './positions.js';
import { RangeEncoder } from './range-encoder.js';
import { codeTensors } from './record-head.js';
import { type ChangeKind, levelRange } from './sparse-levels.js';
import { type ChangedElements, RICE_BITS, SparseCoding, type SparseHead } from './sparse-record.js';

/** Codes what changes up to an element, from where it stopped before. */
type Put = (values: ChangedElements, end: number) => void;

/** What a record is about. */
export interface SparseWriterOptions {
  readonly kind: ChangeKind;
  /** Names of the record's tensors, at least one. */
  readonly tensors: ReadonlySet<string>;
  /** Takes bytes as they come; without one `finish` gives all of them. */
  readonly sink?: (bytes: Uint8Array) => void;
}

/** Writes a sparse or exact record from front to back, a run of elements at a time: the other side of `SparseReader`. */
export class SparseWriter {
  readonly #encoder: RangeEncoder;
  readonly #coding: SparseCoding;
  #put: Put = () => {};

  /** @param infos the model's tensors, in canonical order */
  constructor(infos: readonly TensorInfo[], { kind, tensors, sink }: SparseWriterOptions) {
    this.#encoder = new RangeEncoder(sink);
    codeTensors(this.#encoder, infos, tensors);
    this.#coding = new SparseCoding(this.#encoder, kind);
  }

  /** Begins a tensor: each of the record's, in canonical order. */
  open(info: TensorInfo, head: SparseHead): void {
    this.#coding.codeHead(info, head);
    this.#put = putInto(this.#coding, info, head);
  }

  /**
   * @param values what changes among the tensor's elements, from where the call before ended
   * @param end behind the last of these elements
   */
  write(values: ChangedElements, end: number): void {
    this.#put(values, end);
  }

  /** @returns the bytes that no sink has */
  finish(): Uint8Array {
    return this.#encoder.finish();
  }
}

/** @returns what codes a tensor's values behind its head */
export function putInto(coding: SparseCoding, info: TensorInfo, head: SparseHead): Put {
  return head.view === 0 ? putPlain(coding, info, head.rice) : putMapped(coding, info, head.view);
}

function putPlain({ plain, levels }: SparseCoding, info: TensorInfo, rice: number): Put {
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

/** Holds the levels of one slab. */
function putMapped({ mapped }: SparseCoding, info: TensorInfo, view: number): Put {
  const slabs = new Slabs(info, viewOf(view));
  const room = new Int32Array(slabs.size);
  return ({ positions, levels }, end) => {
    for (let i = 0; slabs.size > 0; ) {
      const { start, size } = slabs;
      const upTo = Math.min(end, start + size);
      for (; i < positions.length && (positions[i] as number) < upTo; i++)
        room[(positions[i] as number) - start] = levels[i] as number;
      if (upTo < start + size) return;
      const slab = slabs.next(room);
      mapped.code({ ...slab, occupied: occupiedLines(slab) });
      room.fill(0);
    }
  };
}

function occupiedLines({ levels, lines, length, lineStep, step }: Slab): Uint8Array {
  const occupied = new Uint8Array(lines);
  for (let line = 0; line < lines; line++)
    for (let i = 0, at = line * lineStep; i < length; i++, at += step)
      if (levels[at] !== 0) occupied[line] = 1;
  return occupied;
}

/** Some of a tensor's elements, as a tensor of their own with the same number of dimensions. */
export interface Sample {
  readonly info: TensorInfo;
  readonly values: ChangedElements;
}

/** What is known of a tensor's changes before they are coded. */
export interface ChangeFacts {
  readonly kind: ChangeKind;
  /** Of a sparse op; 1 for others. */
  readonly scale: number;
  /** Elements that change, of all. */
  readonly count: number;
}

/** How positions are coded, and the bits that what was tried takes so. */
export interface ChosenHead {
  readonly head: SparseHead;
  readonly bits: number;
}

/** A way to code positions, and what a record that takes it comes to. */
interface Trial {
  readonly head: SparseHead;
  readonly encoder: RangeEncoder;
  readonly coding: SparseCoding;
}

/** Codes samples of a tensor's changes in all ways; nothing is held of them. */
export class HeadTrials {
  readonly #kind: ChangeKind;
  readonly #trials: readonly Trial[];

  constructor(info: TensorInfo, { kind, scale, count }: ChangeFacts) {
    this.#kind = kind;
    const rice = riceOf(count, elementCount(info));
    this.#trials = [0, ...viewsOf(info)].map((view) => {
      // What a trial writes is not kept.
      const encoder = new RangeEncoder(() => {});
      const head = { scale, view, rice: view === 0 ? rice : 0 };
      return { head, encoder, coding: new SparseCoding(encoder, kind) };
    });
  }

  /** @param sample the tensor itself, or the next part of it */
  add({ info, values }: Sample): void {
    for (const { head, coding } of this.#trials) {
      coding.levels.range = levelRange(this.#kind, info);
      putInto(coding, info, head)(values, elementCount(info));
    }
  }

  /** @returns the way that takes the fewest bits, the first of several */
  best(): ChosenHead {
    const costs = this.#trials.map(({ head, encoder }) => encoder.cost + (head.view === 0 ? RICE_BITS : 0));
    const bits = Math.min(...costs);
    return { head: (this.#trials[costs.indexOf(bits)] as Trial).head, bits };
  }
}

/** @returns the way to code a tensor's changes that takes the fewest bits */
export function chooseHead(info: TensorInfo, facts: ChangeFacts, values: ChangedElements): ChosenHead {
  const trials = new HeadTrials(info, facts);
  trials.add({ info, values });
  return trials.best();
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
    // A single line, or lines of a single element, are the same either way round.
    const isSingle = row === elements || row === 1;
    return row > 0 && !(isSingle && viewOf(view).transposed);
  });
}

/** The parameter at which about half of the quotients are 0: `2^rice` up to 0.69 mean gaps. */
function riceOf(count: number, elements: number): number {
  let rice = 0;
  while (rice < 31 && 2 ** (rice + 1) * count * 100 <= 69 * elements) rice++;
  return rice;
}
