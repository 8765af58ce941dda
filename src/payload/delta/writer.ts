import { type TensorInfo, wordBytes } from '../../model/tensor.js';
import { RangeEncoder } from '../range-encoder.js';
import { codeTensors } from '../record-head.js';
import { elementsOf } from './elements.js';
import { type EncodedSegment, packNumber, SegmentEncoder } from './encoder.js';
import type { TensorModel } from './models.js';
import { SEGMENT_ELEMENTS, type SegmentRange, segmentsOf } from './segments.js';

/** A tensor of a delta record and how it is coded; in a shared segment, the first tensor decides. */
export interface DeltaTensor {
  readonly info: TensorInfo;
  readonly model: TensorModel;
}

/** Where a record is written, and by which encoder; by default by a new one. */
interface DeltaOutput {
  readonly sink: (bytes: Uint8Array) => void;
  readonly encoder?: SegmentEncoder;
}

/** A run of elements of both models. */
interface WrittenRun {
  readonly byteOffset: number;
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

/** A segment whose elements are being collected. */
interface OpenSegment {
  readonly info: TensorInfo;
  readonly range: SegmentRange;
  readonly bytes: number;
  filled: number;
}

/** Writes a delta record sequentially, a run of elements at a time; the counterpart of `DeltaReader`. */
export class DeltaWriter {
  readonly #sink: (bytes: Uint8Array) => void;
  readonly #segments: ReadonlyMap<string, readonly SegmentRange[]>;
  readonly #models: ReadonlyMap<string, TensorModel>;
  readonly #encoder: SegmentEncoder;
  #open: OpenSegment | undefined;
  /** The segment before of the same tensor. */
  #last: EncodedSegment | undefined;

  /**
   * @param infos the model's tensors, in canonical order
   * @param tensors the record's, in canonical order, with elements each
   * @param output `sink` receives bytes as they are written; `encoder` may be used again afterwards
   */
  constructor(
    infos: readonly TensorInfo[],
    tensors: readonly DeltaTensor[],
    { sink, encoder = new SegmentEncoder() }: DeltaOutput,
  ) {
    this.#sink = sink;
    this.#encoder = encoder;
    this.#segments = segmentsOf(tensors.map(({ info }) => info));
    this.#models = new Map(tensors.map(({ info, model }) => [info.name, model]));
    const head = new RangeEncoder();
    codeTensors(head, infos, new Set(tensors.map(({ info }) => info.name)));
    const bytes = head.finish();
    sink(packNumber(bytes.length));
    sink(bytes);
  }

  /**
   * Adds the next elements of a tensor; runs must be consecutive.
   */
  write(info: TensorInfo, { byteOffset, before, after }: WrittenRun): void {
    const size = wordBytes(info);
    const start = byteOffset / size;
    for (let at = 0; at < after.length; ) {
      const open = this.#openAt(info, start + at / size);
      const length = Math.min(after.length - at, open.bytes - open.filled);
      this.#encoder.before.set(before.subarray(at, at + length), open.filled);
      this.#encoder.after.set(after.subarray(at, at + length), open.filled);
      open.filled += length;
      at += length;
      if (open.filled === open.bytes) this.#close(open);
    }
  }

  #openAt(info: TensorInfo, element: number): OpenSegment {
    if (this.#open === undefined) {
      const ranges = this.#segments.get(info.name) as readonly SegmentRange[];
      const range = ranges[Math.floor(element / SEGMENT_ELEMENTS)] as SegmentRange;
      if (element === 0) this.#last = undefined;
      this.#open = { info, range, filled: 0, bytes: range.elements * wordBytes(info) };
    }
    return this.#open;
  }

  #close({ info, range, bytes }: OpenSegment): void {
    const base = elementsOf(info, this.#encoder.before.subarray(0, bytes));
    const next = elementsOf(info, this.#encoder.after.subarray(0, bytes));
    const run = { pair: { base, next }, scope: { ...range, form: base.form } };
    const model = this.#models.get(info.name) as TensorModel;
    this.#last = this.#encoder.encode(run, model, this.#last);
    for (const part of this.#last.parts) this.#sink(part);
    this.#open = undefined;
  }
}
