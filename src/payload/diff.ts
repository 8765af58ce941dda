import type { TensorInfo } from '../model/index.js';

/** Changes some weights of one tensor: `value = fround(level * scale)` at each position. */
export interface SparseOp {
  readonly kind: 'sparse';
  readonly tensor: string;
  /** Row-major element indexes, strictly ascending. */
  readonly positions: Uint32Array;
  /** One a position, never zero, from -2^(bits-1) to 2^(bits-1). */
  readonly levels: Int16Array;
  /** Bits that a level takes: 1 to 8. */
  readonly bits: number;
  /** Step of the uniform quantiser: a positive float32, a whole number for integer tensors. */
  readonly scale: number;
}

/** Changes every weight of one tensor: `value = fround(level * scale)`. */
export interface DenseOp {
  readonly kind: 'dense';
  readonly tensor: string;
  /** One an element, from -(2^(bits-1) - 1) to 2^(bits-1) - 1. */
  readonly levels: Int8Array;
  /** Bits that a level takes: 2 to 8. */
  readonly bits: number;
  /** Step of the uniform quantiser: a positive float32, a whole number for integer tensors. */
  readonly scale: number;
}

/** The shared values of a hash op: any float32, or one of -1, 0, 1, or one of -1, 1. */
export type Buckets =
  | { readonly coding: 'float'; readonly values: Float32Array }
  | { readonly coding: 'ternary'; readonly values: Int8Array }
  | { readonly coding: 'sign'; readonly values: Int8Array };

/** A tensor under a hash op, and what its bucket values are multiplied with. */
export interface HashedTensor {
  readonly tensor: string;
  /** A positive float32; a whole number for integer tensors. */
  readonly scale: number;
}

/** Changes every weight of some tensors by a shared value: `value = sign * fround(bucket * scale)`. */
export interface HashOp {
  readonly kind: 'hash';
  /** In canonical order; a tensor's place in this list is part of its hash. */
  readonly tensors: readonly HashedTensor[];
  /** Seed of the placement: 0 to 2^32 - 1. */
  readonly seed: number;
  /** Neighbouring weights that one hash places on as many neighbouring buckets: 1 to 1,024. */
  readonly block: number;
  readonly buckets: Buckets;
}

/** One step of a diff. */
export type Op = SparseOp | DenseOp | HashOp;

/** What turns base into next: ops in the order in which they are applied, one rounding each. */
export interface Diff {
  readonly ops: readonly Op[];
}

/** Free-form facts that travel with a payload: short names to texts or whole numbers. */
export type Meta = Readonly<Record<string, string | number>>;

/** What a payload says of itself, beside the ops. */
export interface PayloadHeader {
  /** Fingerprint of the model that the payload may be applied to: 32 bytes. */
  readonly base: Uint8Array;
  /** Fingerprint of the model that results: 32 bytes. */
  readonly next: Uint8Array;
  /** Every tensor of the model, in canonical order. */
  readonly tensors: readonly TensorInfo[];
  readonly meta: Meta;
}

/** A decoded payload. */
export interface Payload {
  readonly header: PayloadHeader;
  readonly diff: Diff;
}

/** @returns the names of the tensors that an op changes */
export function tensorsOf(op: Op): string[] {
  return op.kind === 'hash' ? op.tensors.map((hashed) => hashed.tensor) : [op.tensor];
}
