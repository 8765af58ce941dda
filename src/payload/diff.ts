/** Changes some weights of one tensor: `value = fround(level * scale)` at each position. */
export interface SparseOp {
  readonly kind: 'sparse';
  readonly tensor: string;
  /** Row-major element indexes, strictly ascending. */
  readonly positions: Uint32Array;
  /** One a position, never zero, from -32,767 to 32,767. */
  readonly levels: Int16Array;
  /** Step of the uniform quantiser: see `isScale`. */
  readonly scale: number;
}

/** Changes every weight of one tensor: `value = fround(level * scale)`. */
export interface DenseOp {
  readonly kind: 'dense';
  readonly tensor: string;
  /** One an element, from -127 to 127. */
  readonly levels: Int8Array;
  /** Step of the uniform quantiser: see `isScale`. */
  readonly scale: number;
  /** The element of the first level, where the levels are those of a run of elements; 0 unless given. */
  readonly first?: number;
}

/** The shared values of a hash op: any finite float32, or levels from -127 to 127 (ternary and sign values among them). */
export type Buckets =
  | { readonly coding: 'float'; readonly values: Float32Array }
  | { readonly coding: 'levels'; readonly values: Int8Array };

/** A tensor under a hash op, and what its bucket values are multiplied with. */
export interface HashedTensor {
  readonly tensor: string;
  /** See `isScale`. */
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

/**
 * Moves some elements of one tensor to certain bits: their numbers in the order of values (see `OrderedBits`) grow by
 * whole differences. Nothing is rounded, so it says what no addition of floats can.
 */
export interface ExactOp {
  readonly kind: 'exact';
  readonly tensor: string;
  /** Row-major element indexes, strictly ascending. */
  readonly positions: Uint32Array;
  /** A difference for each position, never zero, within the signed numbers of the element's size. */
  readonly levels: Int32Array;
}

/** Puts elements of one tensor in place of what is there, whatever that is. */
export interface SetOp {
  readonly kind: 'set';
  readonly tensor: string;
  /** All elements, row-major, little-endian. */
  readonly bytes: Uint8Array;
  /** The first of the elements, where they are a run of them; 0 unless given. */
  readonly first?: number;
}

/** One step of a diff. */
export type Op = SparseOp | DenseOp | HashOp | ExactOp | SetOp;

/** What turns base into next: ops in the order in which they are applied, one rounding each. */
export interface Diff {
  readonly ops: readonly Op[];
}

/** Free-form facts that travel with a payload: short names to texts or whole numbers. */
export type Meta = Readonly<Record<string, string | number>>;

/** What a payload says of itself, beside the ops. */
export interface PayloadHeader {
  /** Fingerprint of the model that the payload may be applied to: 32 hexadecimal digits. */
  readonly base: string;
  /** Fingerprint of the model that results. */
  readonly next: string;
  /** Digest of the names, dtypes and shapes of the model's tensors: see `layoutOf`. */
  readonly layout: number;
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
