import { DTYPES, type TensorInfo } from '../model/index.js';
import { SetWriter, SparseWriter } from '../payload/encode.js';
import type { BytePair } from './borrow-pairs.js';
import type { CodedTensor } from './choice.js';
import { type DifferencesRoom, differences } from './differences.js';

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
  readonly room: DifferencesRoom;
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

  take(info: TensorInfo, pair: BytePair): void {
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
  readonly #room: DifferencesRoom;

  constructor({ tensors }: RecordPlan, writer: SparseWriter, room: DifferencesRoom) {
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
