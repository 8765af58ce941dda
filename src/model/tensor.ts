import { NeuralDiffError } from './errors.js';
import { MAX_ELEMENTS, MAX_NAME_BYTES, MAX_RANK, MAX_TENSORS } from './limits.js';
import { encodeUtf8 } from './text.js';

/** Element types of tensors, all stored little-endian. */
export type DType =
  | 'float32'
  | 'float16'
  | 'bfloat16'
  | 'int8'
  | 'uint8'
  | 'int32'
  | 'int16'
  | 'uint16'
  | 'uint32'
  | 'int64'
  | 'uint64'
  | 'float64'
  | 'float8_e4m3fn'
  | 'float8_e5m2';

/** Properties of an element type. */
interface DTypeInfo {
  /** Code of the type in fingerprints and payloads; never reused. */
  readonly code: number;
  /** Bytes per element. */
  readonly bytes: number;
  readonly kind: 'float' | 'integer';
  /** Type of the words that ops see instead of the elements; absent for types that ops can add to. */
  readonly words?: 'uint8' | 'uint32';
}

/** Every element type. */
export const DTYPES: Readonly<Record<DType, DTypeInfo>> = {
  float32: { code: 1, bytes: 4, kind: 'float' },
  float16: { code: 2, bytes: 2, kind: 'float' },
  bfloat16: { code: 3, bytes: 2, kind: 'float' },
  int8: { code: 4, bytes: 1, kind: 'integer' },
  uint8: { code: 5, bytes: 1, kind: 'integer' },
  int32: { code: 6, bytes: 4, kind: 'integer' },
  int16: { code: 7, bytes: 2, kind: 'integer' },
  uint16: { code: 8, bytes: 2, kind: 'integer' },
  uint32: { code: 9, bytes: 4, kind: 'integer' },
  int64: { code: 10, bytes: 8, kind: 'integer', words: 'uint32' },
  uint64: { code: 11, bytes: 8, kind: 'integer', words: 'uint32' },
  float64: { code: 12, bytes: 8, kind: 'float', words: 'uint32' },
  float8_e4m3fn: { code: 13, bytes: 1, kind: 'float', words: 'uint8' },
  float8_e5m2: { code: 14, bytes: 1, kind: 'float', words: 'uint8' },
};

/** @returns the type with a wire code, or undefined for an unknown code */
export function dtypeOfCode(code: number): DType | undefined {
  return (Object.keys(DTYPES) as DType[]).find((dtype) => DTYPES[dtype].code === code);
}

/** @returns whether a string names an element type */
export function isDType(name: string): name is DType {
  return Object.hasOwn(DTYPES, name);
}

/** A tensor without its bytes. */
export interface TensorInfo {
  /** Unique in its model: 1 to 1,024 UTF-8 bytes, accepted by `isCleanText`. */
  readonly name: string;
  readonly dtype: DType;
  /** Sizes of the dimensions, outermost first; empty for a scalar. */
  readonly shape: readonly number[];
}

/** A tensor with its elements, row-major and little-endian. */
export interface Tensor extends TensorInfo {
  readonly bytes: Uint8Array;
}

/**
 * @returns the tensor as ops see it: float8 is uint8, an element of 64 bits is a row of two uint32, the lower
 *   one first; all others are as they are
 */
export function wordsOf<T extends TensorInfo>(info: T): T {
  const { words, bytes } = DTYPES[info.dtype];
  if (words === undefined) return info;
  const perElement = bytes / DTYPES[words].bytes;
  return { ...info, dtype: words, shape: perElement === 1 ? info.shape : [...info.shape, perElement] };
}

/** @returns bytes of what ops see as an element: see `wordsOf` */
export function wordBytes(info: TensorInfo): number {
  return DTYPES[wordsOf(info).dtype].bytes;
}

/** Ordered, named tensors. */
export interface Model {
  readonly tensors: readonly Tensor[];
}

/** @returns the number of elements; 1 for a scalar */
export function elementCount(info: TensorInfo): number {
  return info.shape.reduce((product, size) => product * size, 1);
}

/** @returns the number of bytes of the elements */
export function byteLength(info: TensorInfo): number {
  return elementCount(info) * DTYPES[info.dtype].bytes;
}

/** @returns the total number of elements of all tensors */
export function totalElements(tensors: readonly TensorInfo[]): number {
  return tensors.reduce((sum, info) => sum + elementCount(info), 0);
}

/** @returns the total number of bytes of all tensors */
export function totalBytes(tensors: readonly TensorInfo[]): number {
  return tensors.reduce((sum, info) => sum + byteLength(info), 0);
}

/** Compares two names by their UTF-8 bytes, the order of tensors in fingerprints and payloads. */
export function compareNames(a: string, b: string): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const difference = codePointRank(a.charCodeAt(i)) - codePointRank(b.charCodeAt(i));
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** @returns the code unit, ranked so that surrogates, which stand for code points above U+FFFF, come last */
function codePointRank(unit: number): number {
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit;
}

/** @returns a sorted copy of the tensors in canonical order: by the UTF-8 bytes of their names */
export function canonicalOrder<T extends TensorInfo>(tensors: readonly T[]): T[] {
  // The order of UTF-16 units, which engines compare fast, is another one only from surrogates on.
  const isPlain = tensors.every(({ name }) => !BEYOND_PLAIN.test(name));
  const compare = isPlain ? (a: string, b: string) => (a < b ? -1 : Number(a > b)) : compareNames;
  return [...tensors].sort((a, b) => compare(a.name, b.name));
}

const BEYOND_PLAIN = /[\ud800-\uffff]/;

/**
 * Checks that a text survives UTF-8 encoding in every language.
 *
 * @returns whether the text has no lone surrogate and no U+FEFF, which some decoders drop
 */
export function isCleanText(text: string): boolean {
  return !/[\ufeff\p{Surrogate}]/u.test(text);
}

/**
 * Checks a model's names, shapes and the length of every tensor's bytes.
 *
 * @param model the model
 * @returns the same model
 * @throws NeuralDiffError `bad-model`
 */
export function checkModel(model: Model): Model {
  checkTensorInfos(model.tensors);
  for (const tensor of model.tensors) {
    if (tensor.bytes.byteLength !== byteLength(tensor)) {
      throw badModel(
        `Cannot read tensor "${tensor.name}": expected ${byteLength(tensor)} bytes, got ${tensor.bytes.byteLength}`,
      );
    }
  }
  return model;
}

/**
 * Checks an untrusted list of tensors against the limits.
 *
 * @param tensors the list
 * @returns the same list
 * @throws NeuralDiffError `bad-model`: a name that is duplicate, empty or too long, an invalid size, too many
 *   tensors
 */
export function checkTensorInfos<T extends TensorInfo>(tensors: readonly T[]): readonly T[] {
  if (tensors.length > MAX_TENSORS) {
    throw badModel(`Cannot read model: expected at most ${MAX_TENSORS} tensors, got ${tensors.length}`);
  }
  const seen = new Set<string>();
  for (const info of tensors) {
    checkName(info.name);
    if (seen.has(info.name)) throw badModel(`Cannot read model: tensor "${info.name}" appears twice`);
    seen.add(info.name);
    checkShape(info);
  }
  return tensors;
}

/**
 * Checks that a model has tensors: without any, all models would be equal.
 *
 * @throws NeuralDiffError `empty-model`
 */
export function checkNotEmpty(tensors: readonly TensorInfo[]): void {
  if (tensors.some((info) => elementCount(info) > 0)) return;
  throw new NeuralDiffError('empty-model', 'Cannot read model: expected tensors with elements, got none');
}

function checkName(name: string): void {
  if (name.length === 0 || !isCleanText(name) || encodeUtf8(name).length > MAX_NAME_BYTES) {
    throw badModel(
      `Cannot read model: expected tensor names of 1 to ${MAX_NAME_BYTES} bytes of valid UTF-8 without U+FEFF, got "${name}"`,
    );
  }
}

function checkShape(info: TensorInfo): void {
  const counts = info.shape.every((size) => Number.isSafeInteger(size) && size >= 0 && size <= MAX_ELEMENTS);
  if (!counts || info.shape.length > MAX_RANK || !(elementCount(wordsOf(info)) <= MAX_ELEMENTS)) {
    throw badModel(
      `Cannot read tensor "${info.name}": expected at most ${MAX_RANK} dimensions and ${MAX_ELEMENTS} elements, half of it for 64-bit types, got ${info.dtype}[${info.shape}]`,
    );
  }
}

function badModel(message: string): NeuralDiffError {
  return new NeuralDiffError('bad-model', message);
}

/** A container's element type, expressed in the payload format's types. */
export interface StoredType {
  readonly dtype: DType;
  /** Bytes per element of a type that the format lacks: each element becomes a row of this many uint8. */
  readonly bytes?: number;
}

/** @returns a type that the format has no arithmetic for, kept as bytes; diffs of it are exact */
export const asBytes = (bytes: number): StoredType => ({ dtype: 'uint8', bytes });

/** @returns the tensor in the format's types: `float64[3]` becomes `uint8[3, 8]` */
export function tensorOf(name: string, { dtype, bytes }: StoredType, shape: readonly number[]): TensorInfo {
  return { name, dtype, shape: bytes === undefined ? shape : [...shape, bytes] };
}
