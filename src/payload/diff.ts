/** Changes some weights of one tensor: `value = fround(level * scale)` at each position. */
export interface SparseOp {
  readonly kind: 'sparse';
  readonly tensor: string;
  /** Row-major element indexes, strictly ascending. */
  readonly positions: Uint32Array;
  /** One per position, never zero, from -32,767 to 32,767. */
  readonly levels: Int16Array;
  /** Step of the uniform quantiser; see `isScale`. */
  readonly scale: number;
}

/** Changes every weight of one tensor: `value = fround(level * scale)`. */
export interface DenseOp {
  readonly kind: 'dense';
  readonly tensor: string;
  /** One per element, from -127 to 127. */
  readonly levels: Int8Array;
  /** Step of the uniform quantiser; see `isScale`. */
  readonly scale: number;
  /** Index of the element of the first level, where the levels cover a run of elements; defaults to 0. */
  readonly first?: number;
}

/**
 * The shared values of a hash op: finite float32 values, or levels from -127 to 127 (ternary and sign
 * included).
 */
export type Buckets =
  | { readonly coding: 'float'; readonly values: Float32Array }
  | { readonly coding: 'levels'; readonly values: Int8Array };

/** A tensor of a hash op and the factor of its bucket values. */
export interface HashedTensor {
  readonly tensor: string;
  /** A factor that `isScale` accepts. */
  readonly scale: number;
}

/** Changes every weight of some tensors by a shared value: `value = sign * fround(bucket * scale)`. */
export interface HashOp {
  readonly kind: 'hash';
  /** In canonical order; a tensor's index in this list is part of its hash. */
  readonly tensors: readonly HashedTensor[];
  /** Seed of the placement, from 0 to 2^32 - 1. */
  readonly seed: number;
  /** Consecutive weights that one hash maps to consecutive buckets, from 1 to 1,024. */
  readonly block: number;
  readonly buckets: Buckets;
}

/**
 * Changes some elements of one tensor exactly: adds a whole difference to their ordinal numbers (see
 * `OrderedBits`).
 *
 * Nothing is rounded, so any change of bits can be expressed, unlike with an addition of floats.
 */
export interface ExactOp {
  readonly kind: 'exact';
  readonly tensor: string;
  /** Row-major element indexes, strictly ascending. */
  readonly positions: Uint32Array;
  /** One difference per position, never zero, within the signed integers of the element's size. */
  readonly levels: Int32Array;
}

/**
 * Replaces all elements of one tensor: `set` as its record has them, `delta` as a delta record and the base
 * give them.
 */
export interface SetOp {
  readonly kind: 'set' | 'delta';
  readonly tensor: string;
  /** All elements, row-major, little-endian. */
  readonly bytes: Uint8Array;
  /** Index of the first element, where `bytes` covers a run of elements; defaults to 0. */
  readonly first?: number;
}

/**
 * Adds the product of two narrow matrices to one tensor of float32, float16 or bfloat16: the value at row i
 * and column j is the sum over the rank k, in order, of `rows[i, k] * scales[k] * columns[k, j]`, each step
 * rounded to float32.
 */
export interface LowRankOp {
  readonly kind: 'low-rank';
  readonly tensor: string;
  /** Dimensions of the tensor that count rows, the first ones; the others count columns. */
  readonly split: number;
  /** A scale for each rank, which `isScale` accepts; at most as many as the tensor has rows and columns. */
  readonly scales: Float32Array;
  /** Levels from -32,767 to 32,767: for each rank those of all columns. */
  readonly columns: Int16Array;
  /** Levels from -32,767 to 32,767: for each row those of all ranks. */
  readonly rows: Int16Array;
  /** Index of the first row that `rows` has, where it covers a run of elements; defaults to 0. */
  readonly firstRow?: number;
}

/** One step of a diff. */
export type Op = SparseOp | DenseOp | HashOp | ExactOp | SetOp | LowRankOp;

/** The change from base to next: ops in the order in which they are applied, with one rounding each. */
export interface Diff {
  readonly ops: readonly Op[];
}

/** Free-form metadata of a payload: short names mapped to texts or whole numbers. */
export type Meta = Readonly<Record<string, string | number>>;

/** The header of a payload. */
export interface PayloadHeader {
  /** Fingerprint of the model that the payload applies to: 32 hexadecimal digits. */
  readonly base: string;
  /** Fingerprint of the resulting model. */
  readonly next: string;
  /**
   * Digest of the names, dtypes and shapes of the model's tensors, see `layoutOf`; absent where the model
   * stays as it is.
   */
  readonly layout?: number;
  readonly meta: Meta;
}

/** A decoded payload. */
export interface Payload {
  readonly header: PayloadHeader;
  readonly diff: Diff;
}

const ordinals = new WeakMap<HashOp, ReadonlyMap<string, number>>();

/** @returns the index of a tensor in a hash op, part of its hash; undefined for a tensor that it lacks */
export function ordinalIn(op: HashOp, tensor: string): number | undefined {
  let known = ordinals.get(op);
  if (known === undefined) {
    known = new Map(op.tensors.map((hashed, ordinal) => [hashed.tensor, ordinal]));
    ordinals.set(op, known);
  }
  return known.get(tensor);
}

/** @returns whether an op replaces all elements */
export function isSet(op: Op): op is SetOp {
  return op.kind === 'set' || op.kind === 'delta';
}

/** @returns whether an op changes a tensor */
export function touches(op: Op, tensor: string): boolean {
  return op.kind === 'hash' ? ordinalIn(op, tensor) !== undefined : op.tensor === tensor;
}

/** @returns the names of the tensors that an op changes */
export function tensorsOf(op: Op): string[] {
  return op.kind === 'hash' ? op.tensors.map((hashed) => hashed.tensor) : [op.tensor];
}
