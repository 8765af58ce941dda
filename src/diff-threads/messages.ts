import type { ChangedTensor, CodedTensor, EncodedRecord, RecordPlan } from '../exact-diff/index.js';
import type { Failure, TensorInfo } from '../model/index.js';
import type { LentBytes } from './lent-bytes.js';

/** What a thread is to begin; whatever it was at before is forgotten. */
export type Order =
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
  | { readonly type: 'order'; readonly order: Order }
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
  readonly coded?: CodedTensor | undefined;
  readonly failure?: Failure | undefined;
}

/** A thread stands still until it has bytes of one of an order's records. */
export interface Need {
  readonly type: 'need';
  readonly record: number;
  readonly at: number;
}
