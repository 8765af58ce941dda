import { DTYPES, elementCount, type TensorInfo } from '../model/tensor.js';
import { DiffReader, type OpenPayload } from '../payload/decode.js';
import { SetTrial, SetWriter } from '../payload/encode-records.js';
import { orderedBits } from '../payload/ordered-bits.js';
import { patchRange } from '../payload/patch.js';
import { type ChosenHead, HeadTrials, SparseWriter } from '../payload/sparse-writer.js';
import { type BytePair, countChanged, DifferenceBuffers, differences } from './pairs.js';

/** Bytes of the longest run that a lane is given: what it holds of a model, a few times. */
export const RUN_BYTES = 2 ** 19;

/** Takes runs of tensors, one after the other, and makes something of them. */
export interface Consumer<R> {
  /** @param pair a run of at most `RUN_BYTES`, from a multiple of an element's size; its arrays are the caller's again when this is done */
  push(info: TensorInfo, pair: BytePair): Promise<void> | void;
  finish(): Promise<R> | R;
  /** For work that is given up: returns when nothing of it is under way any more. */
  abandon?(): Promise<void>;
}

/** Where tensors are coded: one piece of work after the other. */
export interface Lane {
  /** Tries, on pieces of a tensor, how to code what differs. */
  choose(tensor: ChangedTensor): Consumer<CodedTensor>;
  /** Writes a record, from all of its tensors; `sink` gets bytes that are valid during the call alone. */
  write(record: RecordPlan, sink: (bytes: Uint8Array) => void): Consumer<void>;
  /** Reads records beside all of their tensors, and throws unless they make of what was before what is after. */
  check(records: RecordsOf): Consumer<void>;
}

/** What codes tensors side by side. */
export interface Coder {
  /**
   * Lends its lanes, at least one: to one diff at a time, others wait.
   *
   * @returns what the work returns, when it has ended
   */
  use<T>(work: (lanes: readonly Lane[]) => Promise<T>): Promise<T>;
}

/** A tensor that differs, and in how many elements. */
export interface ChangedTensor {
  readonly info: TensorInfo;
  readonly count: number;
}

/** @returns a lane in this thread: whatever it is asked for is done when the call returns */
export function createLane() {
  const room = new DifferenceBuffers();
  return {
    choose: (tensor: ChangedTensor) => new Choice(tensor, room),
    write: (record: RecordPlan, sink: (bytes: Uint8Array) => void) =>
      new RecordWriter(record, { sink, room }),
    check: (records: RecordsOf) => new RecordCheck(records),
  } satisfies Lane;
}

/** A tensor that differs, and how that is coded: by differences, or by the elements as they are to be. */
export interface CodedTensor {
  readonly kind: 'exact' | 'set';
  readonly info: TensorInfo;
  readonly head: ChosenHead['head'];
  /** Bytes that it takes, about. */
  readonly bytes: number;
}

/** Codes pieces of a tensor in all ways: the shortest is taken, differences where others are no shorter. */
export class Choice {
  readonly #tensor: ChangedTensor;
  readonly #room: DifferenceBuffers;
  readonly #heads: HeadTrials;
  readonly #set = new SetTrial();
  /** Elements of pieces, and how many of them differ. */
  #tried = 0;
  #changed = 0;

  constructor(tensor: ChangedTensor, room: DifferenceBuffers) {
    this.#tensor = tensor;
    this.#room = room;
    this.#heads = new HeadTrials(tensor.info, { kind: 'exact', scale: 1, count: tensor.count });
  }

  /** @param info a piece, as a tensor of its own */
  push(info: TensorInfo, { before, after }: BytePair): void {
    const elements = after.length / DTYPES[info.dtype].bytes;
    const values = differences(info, { before, after, first: 0 }, this.#room.atLeast(elements));
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
    // Changes may lie where the pieces do.
    const changes = this.#changed > 0 ? Math.min(share, count / this.#changed) : share;
    return { kind: 'exact', info, head, bytes: (bits / 8) * changes };
  }
}

/** A record that is to be written. */
export interface RecordPlan {
  readonly kind: CodedTensor['kind'];
  /** The model's tensors, in canonical order. */
  readonly infos: readonly TensorInfo[];
  /** The record's, at least one, all of its kind, in canonical order. */
  readonly tensors: readonly CodedTensor[];
}

/** Where a record goes, and where differences lie until they are coded. */
interface Rooms {
  readonly sink: (bytes: Uint8Array) => void;
  readonly room: DifferenceBuffers;
}

/** Writes a record of exact ops, or of set ops. */
export class RecordWriter {
  readonly #writer: ExactWriter | SetWriter;
  readonly #sink: Rooms['sink'];

  constructor(plan: RecordPlan, { sink, room }: Rooms) {
    const tensors = new Set(plan.tensors.map(({ info }) => info.name));
    this.#sink = sink;
    this.#writer =
      plan.kind === 'exact'
        ? new ExactWriter(plan, new SparseWriter(plan.infos, { kind: 'exact', tensors, sink }), room)
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

/** Writes differences. */
class ExactWriter {
  readonly #heads: ReadonlyMap<string, CodedTensor['head']>;
  readonly #writer: SparseWriter;
  readonly #room: DifferenceBuffers;

  constructor({ tensors }: RecordPlan, writer: SparseWriter, room: DifferenceBuffers) {
    this.#heads = new Map(tensors.map(({ info, head }) => [info.name, head]));
    this.#writer = writer;
    this.#room = room;
  }

  write(info: TensorInfo, { byteOffset, before, after }: BytePair): void {
    const size = DTYPES[info.dtype].bytes;
    const [first, elements] = [byteOffset / size, after.length / size];
    if (first === 0) this.#writer.open(info, this.#heads.get(info.name) as CodedTensor['head']);
    const values = differences(info, { before, after, first }, this.#room.atLeast(elements));
    this.#writer.write(values, first + elements);
  }

  finish(): Uint8Array {
    return this.#writer.finish();
  }
}

/** A record that was written. */
export type EncodedRecord = OpenPayload['records'][number];

/** Records, and the model that they are for. */
export interface RecordsOf {
  readonly records: readonly EncodedRecord[];
  /** The model's tensors, in canonical order. */
  readonly infos: readonly TensorInfo[];
}

/** Decodes what was written, applies it to the base, in place, and compares the result with the next model. */
export class RecordCheck {
  readonly #reader: DiffReader;

  constructor({ records, infos }: RecordsOf) {
    this.#reader = new DiffReader({ records }, infos);
  }

  push(info: TensorInfo, { byteOffset, before, after }: BytePair): void {
    const start = byteOffset / DTYPES[info.dtype].bytes;
    const end = start + before.length / DTYPES[info.dtype].bytes;
    patchRange(this.#reader.read(info, { start, end }), info, { startElement: start, bytes: before });
    const wrong = countChanged(orderedBits(info, before).words, orderedBits(info, after).words);
    if (wrong > 0) throw new Error(`The packed diff gives another "${info.name}"`);
  }

  finish(): void {}
}
