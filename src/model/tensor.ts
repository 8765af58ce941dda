import { DTYPES, type DType } from './dtype.js';
import { NeuralDiffError } from './errors.js';
import { MAX_ELEMENTS, MAX_NAME_BYTES, MAX_RANK, MAX_TENSORS } from './limits.js';

/** A tensor without its bytes. */
export interface TensorInfo {
  /** Unique in its model; a clean text of 1 to 1,024 UTF-8 bytes. */
  readonly name: string;
  readonly dtype: DType;
  /** Sizes of the dimensions, outermost first; empty for a scalar. */
  readonly shape: readonly number[];
}

/** A tensor with its elements: row-major, little-endian. */
export interface Tensor extends TensorInfo {
  readonly bytes: Uint8Array;
}

/** Ordered, named tensors. */
export interface Model {
  readonly tensors: readonly Tensor[];
}

/** @returns the number of elements; 1 for a scalar */
export function elementCount(info: TensorInfo): number {
  return info.shape.reduce((product, size) => product * size, 1);
}

/** @returns the number of bytes that the elements take */
export function byteLength(info: TensorInfo): number {
  return elementCount(info) * DTYPES[info.dtype].bytes;
}

/** @returns the number of elements of all tensors */
export function totalElements(tensors: readonly TensorInfo[]): number {
  return tensors.reduce((sum, info) => sum + elementCount(info), 0);
}

/** @returns the number of bytes that the elements of all tensors take */
export function totalBytes(tensors: readonly TensorInfo[]): number {
  return tensors.reduce((sum, info) => sum + byteLength(info), 0);
}

const encoder = new TextEncoder();

/** Compares two names by their UTF-8 bytes: the order of tensors in fingerprints and payloads. */
export function compareNames(a: string, b: string): number {
  const left = encoder.encode(a);
  const right = encoder.encode(b);
  const shared = Math.min(left.length, right.length);
  for (let i = 0; i < shared; i++) {
    const difference = (left[i] as number) - (right[i] as number);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

/** @returns the tensors in canonical order, by the UTF-8 bytes of their names; the argument is left alone */
export function canonicalOrder<T extends TensorInfo>(tensors: readonly T[]): T[] {
  return [...tensors].sort((a, b) => compareNames(a.name, b.name));
}

/**
 * Checks a list of tensors that came from outside against the limits.
 *
 * @param tensors the list
 * @returns the same list
 * @throws NeuralDiffError `bad-model`: a name twice, empty or too long, a size that is no count, too many tensors
 */
export function checkTensorInfos<T extends TensorInfo>(tensors: readonly T[]): readonly T[] {
  if (tensors.length > MAX_TENSORS) {
    throw bad(`Cannot read model: expected at most ${MAX_TENSORS} tensors, got ${tensors.length}`);
  }
  const seen = new Set<string>();
  for (const info of tensors) {
    checkName(info.name);
    if (seen.has(info.name)) throw bad(`Cannot read model: tensor "${info.name}" appears twice`);
    seen.add(info.name);
    checkShape(info);
  }
  return tensors;
}

/**
 * A text is clean when it survives UTF-8 in every language: no lone surrogate, and no U+FEFF, which decoders drop or
 * keep as they please.
 *
 * @returns whether the text is clean
 */
export function isCleanText(text: string): boolean {
  return !/[\ufeff\p{Surrogate}]/u.test(text);
}

function checkName(name: string): void {
  if (name.length === 0 || !isCleanText(name) || encoder.encode(name).length > MAX_NAME_BYTES) {
    throw bad(
      `Cannot read model: expected tensor names of 1 to ${MAX_NAME_BYTES} clean UTF-8 bytes, got "${name}"`,
    );
  }
}

function checkShape(info: TensorInfo): void {
  const counts = info.shape.every((size) => Number.isSafeInteger(size) && size >= 0 && size <= MAX_ELEMENTS);
  if (!counts || info.shape.length > MAX_RANK || !(elementCount(info) <= MAX_ELEMENTS)) {
    throw bad(
      `Cannot read tensor "${info.name}": expected at most ${MAX_RANK} dimensions and ${MAX_ELEMENTS} elements, got shape [${info.shape}]`,
    );
  }
}

function bad(message: string): NeuralDiffError {
  return new NeuralDiffError('bad-model', message);
}

/**
 * Checks that a model is whole: names, shapes and the length of every tensor's bytes.
 *
 * @param model the model
 * @returns the same model
 * @throws NeuralDiffError `bad-model`
 */
export function checkModel(model: Model): Model {
  checkTensorInfos(model.tensors);
  for (const tensor of model.tensors) {
    if (tensor.bytes.byteLength !== byteLength(tensor)) {
      throw bad(
        `Cannot read tensor "${tensor.name}": expected ${byteLength(tensor)} bytes, got ${tensor.bytes.byteLength}`,
      );
    }
  }
  return model;
}
