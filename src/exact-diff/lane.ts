import { DTYPES, type TensorInfo } from '../model/tensor.js';
import { DiffReader } from '../payload/decode.js';
import { SegmentEncoder } from '../payload/delta/encoder.js';
import { DeltaWriter } from '../payload/delta/writer.js';
import { SetWriter } from '../payload/encode-records.js';
import type { OpenPayload } from '../payload/open-payload.js';
import { orderedBits } from '../payload/ordered-bits.js';
import { patchRange } from '../payload/patch.js';
import type { SparseHead } from '../payload/sparse-record.js';
import { SparseWriter } from '../payload/sparse-writer.js';
import { type ChangedTensor, type CodedTensor, CodingTrial, isDelta, isExact } from './coding-trial.js';
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
  /** Tries codings on pieces of tensors that are coded alike, and chooses the shortest. */
  choose(tensors: readonly ChangedTensor[]): Consumer<CodedTensor[]>;
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

/** @returns a lane in this thread: each call has finished its work when it returns */
export function createLane() {
  const buffers = new DifferenceBuffers();
  let encoder: SegmentEncoder | undefined;
  const encoderOf = (): SegmentEncoder => (encoder ??= new SegmentEncoder());
  return {
    choose: (tensors: readonly ChangedTensor[]) => new CodingTrial(tensors, buffers),
    write: (record: RecordPlan, sink: (bytes: Uint8Array) => void) =>
      new RecordWriter(record, { sink, buffers, encoderOf }),
    check: (records: RecordsOf) => new RecordCheck(records),
  } satisfies Lane;
}

/** A record to write. */
export interface RecordPlan {
  readonly kind: CodedTensor['kind'];
  /** The model's tensors, in canonical order. */
  readonly infos: readonly TensorInfo[];
  /** The record's tensors: at least one, all of its kind, in canonical order. */
  readonly tensors: readonly CodedTensor[];
}

/** Where a record is written, and the lane's scratch memory: one record is written at a time. */
interface RecordOutput {
  readonly sink: (bytes: Uint8Array) => void;
  readonly buffers: DifferenceBuffers;
  readonly encoderOf: () => SegmentEncoder;
}

/** Writes a record. */
class RecordWriter {
  readonly #writer: DeltaWriter | ExactWriter | SetWriter;
  readonly #sink: RecordOutput['sink'];

  constructor(plan: RecordPlan, { sink, buffers, encoderOf }: RecordOutput) {
    const tensors = new Set(plan.tensors.map(({ info }) => info.name));
    this.#sink = sink;
    if (plan.kind === 'delta') {
      const encoder = encoderOf();
      this.#writer = new DeltaWriter(plan.infos, plan.tensors.filter(isDelta), { sink, encoder });
    } else if (plan.kind === 'set') this.#writer = new SetWriter(plan.infos, { tensors, sink });
    else
      this.#writer = new ExactWriter(
        plan,
        new SparseWriter(plan.infos, { kind: 'exact', tensors, sink }),
        buffers,
      );
  }

  push(info: TensorInfo, pair: BytePair): void {
    if (this.#writer instanceof SetWriter) this.#writer.write(info, pair.after);
    else this.#writer.write(info, pair);
  }

  finish(): void {
    if (!(this.#writer instanceof DeltaWriter)) this.#sink(this.#writer.finish());
  }
}

/** Writes a record of differences. */
class ExactWriter {
  readonly #heads: ReadonlyMap<string, SparseHead>;
  readonly #writer: SparseWriter;
  readonly #buffers: DifferenceBuffers;

  constructor({ tensors }: RecordPlan, writer: SparseWriter, buffers: DifferenceBuffers) {
    this.#heads = new Map(tensors.filter(isExact).map(({ info, head }) => [info.name, head]));
    this.#writer = writer;
    this.#buffers = buffers;
  }

  write(info: TensorInfo, { byteOffset, before, after }: BytePair): void {
    const size = DTYPES[info.dtype].bytes;
    const [first, elements] = [byteOffset / size, after.length / size];
    if (first === 0) this.#writer.open(info, this.#heads.get(info.name) as SparseHead);
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
    patchRange(this.#reader.read(info, { start, end, base: before }), info, {
      startElement: start,
      bytes: before,
    });
    const wrong = countChanged(orderedBits(info, before).words, orderedBits(info, after).words);
    if (wrong > 0)
      throw new Error(`Cannot verify the packed diff: ${wrong} elements of tensor "${info.name}" differ`);
  }

  finish(): void {}
}
