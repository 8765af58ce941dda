import { elementCount, type TensorInfo } from '../model/index.js';
import type { ChangedElements } from './changes.js';
import type { Slab } from './mapped-positions.js';
import { RangeEncoder } from './range-encoder.js';
import { codeTensors } from './record-head.js';
import type { ChangeKind } from './sparse-levels.js';
import { SparseCoding, type SparseHead } from './sparse-record.js';
import { Slabs, viewOf } from './views.js';

/** Codes what changes up to an element, from where it stopped before. */
type Put = (values: ChangedElements, end: number) => void;

/** What a record is about. */
export interface SparseWriterOptions {
  readonly kind: ChangeKind;
  /** Names of the record's tensors, at least one. */
  readonly tensors: ReadonlySet<string>;
  /** Takes bytes as they come; without one `finish` gives all of them. */
  readonly sink?: ((bytes: Uint8Array) => void) | undefined;
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
