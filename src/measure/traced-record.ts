import type { TensorInfo } from '../model/index.js';
import { type ByteSource, DiffReader, type Op, type OpenPayload } from '../payload/index.js';

/** Bytes of a record that are held at once. */
const ROOM_BYTES = 2 ** 16;

/**
 * Reads a record of a payload tensor by tensor, and tells what each of them takes of it: as many bytes as are read between
 * the end of the tensor before and its own. Buckets that several tensors share are nobody's.
 */
export class TracedRecord {
  readonly #reader: DiffReader;
  readonly #kind: Op['kind'];
  readonly #source: CountingSource;
  #taken = 0;

  /** @throws NeuralDiffError `corrupt-payload`, `limit-exceeded` */
  constructor(payload: OpenPayload, place: number, tensors: readonly TensorInfo[]) {
    const { kind, bytes } = payload.records[place] as OpenPayload['records'][number];
    this.#kind = kind;
    this.#source = new CountingSource(bytes);
    this.#reader = new DiffReader({ ...payload, records: [{ kind, bytes: this.#source }] }, tensors);
  }

  touches({ name }: TensorInfo): boolean {
    return this.#reader.touched.has(name);
  }

  /** `DiffReader.read` for this record alone. */
  read(info: TensorInfo, run: { start: number; end: number }): Op[] {
    return this.touches(info) ? this.#reader.read(info, run) : [];
  }

  /** @returns bytes of a tensor that has been read to its end */
  takeBytes(info: TensorInfo): number {
    if (!this.touches(info)) return 0;
    const { touched } = this.#reader;
    if (touched.size === 1) return this.#source.length;
    if (this.#kind === 'hash') return 0;
    const bytes = this.#source.bytesRead - this.#taken;
    this.#taken = this.#source.bytesRead;
    return bytes;
  }
}

/** Hands out each byte alone, so that it knows which of them have been read. */
class CountingSource implements ByteSource {
  readonly length: number;
  readonly #bytes: ByteSource;
  readonly #room = new Uint8Array(ROOM_BYTES);
  #window = new Uint8Array(0);
  #start = 0;
  /** Bytes that have been read, all from the front. */
  bytesRead = 0;

  constructor(bytes: ByteSource) {
    this.#bytes = bytes;
    this.length = bytes.length;
  }

  borrow(at: number, room = new Uint8Array(1)): Uint8Array {
    if (at < this.#start || at >= this.#start + this.#window.length) {
      this.#window = this.#bytes.borrow(at, this.#room) as Uint8Array<ArrayBuffer>;
      this.#start = at;
    }
    this.bytesRead = Math.max(this.bytesRead, at + 1);
    room[0] = this.#window[at - this.#start] as number;
    return room.subarray(0, 1);
  }
}
