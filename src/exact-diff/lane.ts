import { DTYPES, elementCount, type TensorInfo } from '../model/tensor.js';
import { DiffReader } from '../payload/decode.js';
import { SetTrial, SetWriter } from '../payload/encode-records.js';
import type { OpenPayload } from '../payload/open-payload.js';
import { orderedBits } from '../payload/ordered-bits.js';
import { patchRange } from '../payload/patch.js';
import { type ChosenHead, HeadTrials, SparseWriter } from '../payload/sparse-writer.js';
import { type BytePair, countChanged, DifferenceBuffers, differences } from './pairs.js';

/** Bytes of the longest run pushed into a lane: bounds its memory to a few times this. */
export const RUN_BYTES = 2 ** 19;

/** Receives the runs of tensors in order and produces a result. */
export interface Consumer<R> {
  /**
   * @param pair a run of at most `RUN_BYTES`, starting at an element; its arrays may be reused by the caller
   *   once this resolves
   */
  push(info: TensorInfo, pair: BytePair): Promise<void> | void;
  finish(): Promise<R> | R;
  /** Cancels the job; resolves when no work is left running. */
  abandon?(): Promise<void>;
}

/** Codes tensors, one job at a time. */
export interface Lane {
  /** Tries codings on pieces of a tensor and chooses the shortest. */
  choose(tensor: ChangedTensor): Consumer<CodedTensor>;
  /** Writes a record from all of its tensors; the bytes passed to `sink` are valid only during the call. */
  write(record: RecordPlan, sink: (bytes: Uint8Array) => void): Consumer<void>;
  /**
   * Decodes records along with all of their tensors; throws unless they turn the base into the next model.
   */
  check(records: RecordsOf): Consumer<void>;
}

/** Provides lanes that code tensors in parallel. */
export interface Coder {
  /**
   * Runs work with exclusive use of the lanes (at least one); other callers wait.
   *
   * @returns the result of the work
   */
  use<T>(work: (lanes: readonly Lane[]) => Promise<T>): Promise<T>;
}

/** A tensor that differs, with the number of changed elements. */
export interface ChangedTensor {
  readonly info: TensorInfo;
  readonly count: number;
}

/** @returns a lane in this thread: each call has finished its work when it returns */
export function createLane() {
  const buffers = new DifferenceBuffers();
  return {
    choose: (tensor: ChangedTensor) => new CodingTrial(tensor, buffers),
    write: (record: RecordPlan, sink: (bytes: Uint8Array) => void) =>
      new RecordWriter(record, { sink, buffers }),
    check: (records: RecordsOf) => new RecordCheck(records),
  } satisfies Lane;
}

/** A changed tensor and its coding: `exact` stores differences, `set` the new elements. */
export interface CodedTensor {
  readonly kind: 'exact' | 'set';
  readonly info: TensorInfo;
  readonly head: ChosenHead['head'];
  /** Estimated size in bytes. */
  readonly bytes: number;
}

/** Tries all codings on pieces of a tensor and chooses the shortest; differences win ties. */
class CodingTrial {
  readonly #tensor: ChangedTensor;
  readonly #buffers: DifferenceBuffers;
  readonly #heads: HeadTrials;
  readonly #set = new SetTrial();
  /** Elements tried, and how many of them differ. */
  #tried = 0;
  #changed = 0;

  constructor(tensor: ChangedTensor, buffers: DifferenceBuffers) {
    this.#tensor = tensor;
    this.#buffers = buffers;
    this.#heads = new HeadTrials(tensor.info, { kind: 'exact', scale: 1, count: tensor.count });
  }

  /** @param info a piece, as a separate tensor */
  push(info: TensorInfo, { before, after }: BytePair): void {
    const elements = after.length / DTYPES[info.dtype].bytes;
    const values = differences(info, { before, after, first: 0 }, this.#buffers.atLeast(elements));
    this.#heads.add({ info, values });
    this.#set.add(info, after);
    this.#tried += elements;
    this.#changed += values.positions.length;
  }

  finish(): CodedTensor {
    const { info, count } = this.#tensor;
    const { head, bits } = this.#heads.best();
    const share = elementCount(info) / this.#tried;
    if (bits > this.#set.bits) return { kind: 'set', info, head, bytes: (this.#set.bits / 8) * share };
    // Scale by the changed elements, unless that would exceed the share of all elements.
    const changes = this.#changed > 0 ? Math.min(share, count / this.#changed) : share;
    return { kind: 'exact', info, head, bytes: (bits / 8) * changes };
  }
}

/** A record to write. */
export interface RecordPlan {
  readonly kind: CodedTensor['kind'];
  /** The model's tensors, in canonical order. */
  readonly infos: readonly TensorInfo[];
  /** The record's tensors: at least one, all of its kind, in canonical order. */
  readonly tensors: readonly CodedTensor[];
}

/** Where a record is written, and scratch memory for differences. */
interface RecordOutput {
  readonly sink: (bytes: Uint8Array) => void;
  readonly buffers: DifferenceBuffers;
}

/** Writes a record of exact ops or of set ops. */
class RecordWriter {
  readonly #writer: ExactWriter | SetWriter;
  readonly #sink: RecordOutput['sink'];

  constructor(plan: RecordPlan, { sink, buffers }: RecordOutput) {
    const tensors = new Set(plan.tensors.map(({ info }) => info.name));
    this.#sink = sink;
    this.#writer =
      plan.kind === 'exact'
        ? new ExactWriter(plan, new SparseWriter(plan.infos, { kind: 'exact', tensors, sink }), buffers)
        : new SetWriter(plan.infos, { tensors, sink });
  }

  push(info: TensorInfo, pair: BytePair): void {
    if (this.#writer instanceof SetWriter) this.#writer.write(info, pair.after);
    else this.#writer.write(info, pair);
  }

  finish(): void {
    this.#sink(this.#writer.finish());
  }
}

/** Writes a record of differences. */
class ExactWriter {
  readonly #heads: ReadonlyMap<string, CodedTensor['head']>;
  readonly #writer: SparseWriter;
  readonly #buffers: DifferenceBuffers;

  constructor({ tensors }: RecordPlan, writer: SparseWriter, buffers: DifferenceBuffers) {
    this.#heads = new Map(tensors.map(({ info, head }) => [info.name, head]));
    this.#writer = writer;
    this.#buffers = buffers;
  }

  write(info: TensorInfo, { byteOffset, before, after }: BytePair): void {
    const size = DTYPES[info.dtype].bytes;
    const [first, elements] = [byteOffset / size, after.length / size];
    if (first === 0) this.#writer.open(info, this.#heads.get(info.name) as CodedTensor['head']);
    const values = differences(info, { before, after, first }, this.#buffers.atLeast(elements));
    this.#writer.write(values, first + elements);
  }

  finish(): Uint8Array {
    return this.#writer.finish();
  }
}

/** A record that has been written. */
export type EncodedRecord = OpenPayload['records'][number];

/** Records and the model they belong to. */
export interface RecordsOf {
  readonly records: readonly EncodedRecord[];
  /** The model's tensors, in canonical order. */
  readonly infos: readonly TensorInfo[];
}

/** Decodes records, applies them to the base in place, and compares the result with the next model. */
class RecordCheck {
  readonly #reader: DiffReader;

  constructor({ records, infos }: RecordsOf) {
    this.#reader = new DiffReader({ records }, infos);
  }

  push(info: TensorInfo, { byteOffset, before, after }: BytePair): void {
    const start = byteOffset / DTYPES[info.dtype].bytes;
    const end = start + before.length / DTYPES[info.dtype].bytes;
    patchRange(this.#reader.read(info, { start, end }), info, { startElement: start, bytes: before });
    const wrong = countChanged(orderedBits(info, before).words, orderedBits(info, after).words);
    if (wrong > 0)
      throw new Error(`Cannot verify the packed diff: ${wrong} elements of tensor "${info.name}" differ`);
  }

  finish(): void {}
}
