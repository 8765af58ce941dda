import type { Failure } from '../../model/errors.js';
import type { TensorInfo } from '../../model/tensor.js';
import type { ByteSource } from '../../payload/byte-source.js';
import type { ChangedTensor, CodedTensor } from '../coding-trial.js';
import type { EncodedRecord, RecordPlan } from '../lane.js';

/** A job for a thread; it replaces the thread's previous job. */
export type Job =
  | { readonly type: 'choose'; readonly tensors: readonly ChangedTensor[] }
  | { readonly type: 'write'; readonly plan: RecordPlan }
  | {
      readonly type: 'check';
      readonly infos: readonly TensorInfo[];
      readonly records: readonly { readonly kind: EncodedRecord['kind']; readonly bytes: SharedSource }[];
    };

/** Memory for a run of elements of both models, transferred to the thread and back. */
export interface BufferPair {
  readonly before: ArrayBuffer;
  readonly after: ArrayBuffer;
}

/** A request to a thread; each has one answer, in the order of requests. */
export type Request =
  | { readonly type: 'begin'; readonly job: Job }
  | {
      readonly type: 'push';
      readonly info: TensorInfo;
      readonly byteOffset: number;
      /** Bytes of the run in each buffer. */
      readonly length: number;
      readonly pair: BufferPair;
    }
  | { readonly type: 'finish' };

/** A thread's answer to a request. */
export interface Answer {
  readonly type: 'answer';
  /** The buffers of a pushed run. */
  readonly pair?: BufferPair | undefined;
  /** Pieces of the record being written, in order; some are stored in the pair's buffers. */
  readonly bytes: readonly Uint8Array[];
  /** The result of a `choose` job. */
  readonly coded?: CodedTensor[];
  readonly failure?: Failure;
}

/**
 * A thread's request for bytes of one of its job's records; the thread blocks until they are in the window.
 */
export interface BytesRequest {
  readonly type: 'read';
  readonly record: number;
  readonly at: number;
}

/** Bytes shared at a time. */
export const WINDOW_BYTES = 2 ** 16;

/** Values of the state other than the length of the window's content. */
const ASKED = 0;
const FAILED = -1;

/**
 * A byte source that another thread reads through a shared window: it sends a request and blocks until it is
 * answered.
 */
export interface SharedSource {
  readonly length: number;
  /** A single number: how many bytes the window holds. */
  readonly state: Int32Array<SharedArrayBuffer>;
  readonly window: Uint8Array<SharedArrayBuffer>;
}

/** @returns the source to send to the reading thread; answer its requests with `fillWindow` */
export function createSharedSource(length: number): SharedSource {
  const state = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  return { length, state, window: new Uint8Array(new SharedArrayBuffer(WINDOW_BYTES)) };
}

/**
 * Fills the window and wakes the waiting thread, even on failure.
 *
 * @param buffer scratch memory of the window's size, as sources do not read into shared memory
 * @throws errors of the source
 */
export function fillWindow(
  { state, window }: SharedSource,
  { source, at, buffer }: { source: ByteSource; at: number; buffer: Uint8Array },
): void {
  let length = FAILED;
  try {
    const bytes = source.borrow(at, buffer).subarray(0, window.length);
    window.set(bytes);
    length = bytes.length;
  } finally {
    Atomics.store(state, 0, length);
    Atomics.notify(state, 0);
  }
}

/**
 * Opens a shared source in the reading thread.
 *
 * @param ask requests that the window be filled with bytes from an offset on
 * @returns a source that throws if the request failed
 */
export function openSharedSource(
  { length, state, window }: SharedSource,
  ask: (at: number) => void,
): ByteSource {
  return {
    length,
    borrow(at, buffer = new Uint8Array(Math.min(window.length, length - at))) {
      Atomics.store(state, 0, ASKED);
      ask(at);
      Atomics.wait(state, 0, ASKED);
      const found = Atomics.load(state, 0);
      if (found === FAILED) throw new Error('Cannot read the bytes of a record from the main thread');
      const bytes = buffer.subarray(0, found);
      bytes.set(window.subarray(0, bytes.length));
      return bytes;
    },
  };
}
