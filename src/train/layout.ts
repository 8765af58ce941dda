import { canonicalOrder, elementCount, type TensorInfo } from '../model/index.js';
import { denseOpBytes, type OpSize, payloadBytes } from '../payload/encode.js';
import type { Meta } from '../payload/index.js';
import type { Values } from './part.js';
import type { BaseWeights } from './session.js';

/** Which tensors a diff treats how. */
export interface Layout {
  /** Trainable tensors of two or more dimensions, in canonical order: masked or hashed. */
  readonly matrices: readonly TensorInfo[];
  /** Trainable tensors of at most one dimension: always dense, since each of their weights counts. */
  readonly vectors: readonly TensorInfo[];
  /** Bytes of the whole payload file, given the ops for the matrices. */
  fileBytes(matrixOps: readonly OpSize[]): number;
}

/** Splits a model's trainable tensors by rank and knows what the file around the matrices' ops takes. */
export function layOut(base: BaseWeights, settings: { denseBits: number; meta: Meta }): Layout {
  const trainable = canonicalOrder(base.tensors.filter((info) => base.trainable.has(info.name)));
  const vectors = trainable.filter((info) => info.shape.length < 2);
  const denseOps: OpSize[] = vectors.map((info) => ({
    kind: 'dense',
    tensors: [info.name],
    byteLength: denseOpBytes(elementCount(info), settings.denseBits),
  }));
  return {
    matrices: trainable.filter((info) => info.shape.length >= 2),
    vectors,
    fileBytes: (matrixOps) => payloadBytes(base.tensors, [...matrixOps, ...denseOps], settings.meta),
  };
}

/** @returns the values of some tensors, by name */
export function pickValues(values: Values, infos: readonly TensorInfo[]): Values {
  return new Map(infos.map(({ name }) => [name, values.get(name) as Float32Array]));
}

/**
 * Finds the largest whole number for which a size fits, the size growing with the number.
 *
 * @param most the largest number to try
 * @param fits whether a number from 0 to `most` fits
 * @returns the number; -1 when not even 0 fits
 */
export function largestThatFits(most: number, fits: (count: number) => boolean): number {
  let low = -1;
  let high = most;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}
