import type { TensorInfo } from '../model/index.js';
import type { BytePair } from './borrow-pairs.js';
import { Choice, type CodedTensor } from './choice.js';
import { DifferencesRoom } from './differences.js';
import { RecordCheck, type RecordsOf } from './record-check.js';
import { type RecordPlan, RecordWriter } from './record-writer.js';

/** Bytes of the longest run that a lane is given: what it holds of a model, a few times. */
export const RUN_BYTES = 2 ** 19;

/** Takes runs of tensors, one after the other, and makes something of them. */
export interface Taker<R> {
  /** @param pair a run of at most `RUN_BYTES`, from a multiple of an element's size; its arrays are the caller's again when this is done */
  take(info: TensorInfo, pair: BytePair): Promise<void> | void;
  finish(): Promise<R> | R;
  /** For work that is given up: returns when nothing of it is under way any more. */
  abandon?(): Promise<void>;
}

/** Where tensors are coded: one piece of work after the other. */
export interface Lane {
  /** Tries, on pieces of a tensor, how to code what differs. */
  choose(tensor: ChangedTensor): Taker<CodedTensor>;
  /** Writes a record, from all of its tensors; `sink` gets bytes that are valid during the call alone. */
  write(record: RecordPlan, sink: (bytes: Uint8Array) => void): Taker<void>;
  /** Reads records beside all of their tensors, and throws unless they make of what was before what is after. */
  check(records: RecordsOf): Taker<void>;
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
  const room = new DifferencesRoom();
  return {
    choose: (tensor: ChangedTensor) => new Choice(tensor, room),
    write: (record: RecordPlan, sink: (bytes: Uint8Array) => void) =>
      new RecordWriter(record, { sink, room }),
    check: (records: RecordsOf) => new RecordCheck(records),
  } satisfies Lane;
}
