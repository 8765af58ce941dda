import type { Failure } from '../../model/errors.js';
import type { TensorInfo } from '../../model/tensor.js';
import type { ByteSource } from '../../payload/byte-source.js';
import type { ChangedTensor, CodedTensor, EncodedRecord, RecordPlan } from '../lane.js';

/** What a thread is to begin; whatever it was at before is forgotten. */
export type Job =
  | { readonly type: 'choose'; readonly tensor: ChangedTensor }
  | { readonly type: 'write'; readonly plan: RecordPlan }
  | {
      readonly type: 'check';
      readonly infos: readonly TensorInfo[];
      readonly records: readonly { readonly kind: EncodedRecord['kind']; readonly bytes: LentBytes }[];
    };

/** Memory for a run of elements of both models: it goes to the thread and comes back. */
export interface Pair {
  readonly before: ArrayBuffer;
  readonly after: ArrayBuffer;
}

/** What a thread is asked; each request has one answer, in their order. */
export type Request =
  | { readonly type: 'order'; readonly order: Job }
  | {
      readonly type: 'take';
      readonly info: TensorInfo;
      readonly byteOffset: number;
      /** Bytes of the run in each of both. */
      readonly length: number;
      readonly pair: Pair;
    }
  | { readonly type: 'finish' };

/** What a thread answers. */
export interface Answer {
  readonly type: 'answer';
  /** Of a run. */
  readonly pair?: Pair | undefined;
  /** Pieces of a record, in order; some lie in the pair. */
  readonly bytes: readonly Uint8Array[];
  /** How a tensor is coded. */
  readonly coded?: CodedTensor;
  readonly failure?: Failure;
}

/** A thread stands still until it has bytes of one of an order's records. */
export interface BytesRequest {
  readonly type: 'need';
  readonly record: number;
  readonly at: number;
}

/** Bytes that are lent at once. */
export const WINDOW_BYTES = 2 ** 16;

/** What the state of lent bytes says beside the length of the window. */
const ASKED = 0;
const FAILED = -1;

/** A source of bytes that another thread reads: it asks, stands still, and finds them in a window that both see. */
export interface LentBytes {
  readonly length: number;
  /** One number: how many bytes the window holds. */
  readonly state: Int32Array<SharedArrayBuffer>;
  readonly window: Uint8Array<SharedArrayBuffer>;
}

/** @returns what to send to the thread that reads; answer it with `serve` */
export function lendBytes(length: number): LentBytes {
  const state = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  return { length, state, window: new Uint8Array(new SharedArrayBuffer(WINDOW_BYTES)) };
}

/**
 * Fills the window for a thread that stands still, which goes on in any case.
 *
 * @param room memory for a window: sources read into what is not shared
 * @throws whatever the source throws
 */
export function serve(
  { state, window }: LentBytes,
  { source, at, room }: { source: ByteSource; at: number; room: Uint8Array },
): void {
  let length = FAILED;
  try {
    const bytes = source.borrow(at, room).subarray(0, window.length);
    window.set(bytes);
    length = bytes.length;
  } finally {
    Atomics.store(state, 0, length);
    Atomics.notify(state, 0);
  }
}

/**
 * The other end, in a thread that may stand still.
 *
 * @param ask has the bytes from an offset on put into the window
 * @returns a source that throws where that failed
 */
export function borrowLent({ length, state, window }: LentBytes, ask: (at: number) => void): ByteSource {
  return {
    length,
    borrow(at, room = new Uint8Array(Math.min(window.length, length - at))) {
      Atomics.store(state, 0, ASKED);
      ask(at);
      Atomics.wait(state, 0, ASKED);
      const found = Atomics.load(state, 0);
      if (found === FAILED) throw new Error('The bytes of a record cannot be read');
      const bytes = room.subarray(0, found);
      bytes.set(window.subarray(0, bytes.length));
      return bytes;
    },
  };
}
