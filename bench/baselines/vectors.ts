import * as tf from '@tensorflow/tfjs';
import { type TensorInfo, totalElements } from '../../src/model/tensor.js';
import { createDensePart, DENSE_GAIN } from '../../src/train/dense-part.js';
import { pickValues } from '../../src/train/layout.js';
import { type DiffPart, type Values, valuesOf } from '../../src/train/part.js';
import type { BaselineContext } from './baseline.js';
import { type Cost, costBytes, expectedLevelBits, valueBits } from './entropy.js';
import { fitGrid, roundToGrid } from './grid.js';
import { splitTensors } from './tensors.js';

/** Bits a change of a bias or norm takes on the grid of finished changes. */
export const VECTOR_BITS = 4;

/** Bits a trained change of a bias or norm takes after entropy coding, as in diffs. */
export const VECTOR_RATE = 2;

/** The changes of biases and norms that no training follows. */
export interface RoundedVectors {
  readonly deltas: Values;
  readonly costs: readonly Cost[];
}

/** Rounds what a full fine-tune changed in biases and norms. */
export function roundVectors(context: BaselineContext, bits: number): RoundedVectors {
  const rounded = splitTensors(context.base).vectors.map(({ name }) => {
    const changes = valuesOf(context.full.deltas, name);
    return { name, ...roundToGrid(changes, fitGrid(changes, { bits, channels: 1 })) };
  });
  return {
    deltas: new Map(rounded.map(({ name, values }) => [name, values])),
    costs: rounded.map(({ cost }) => cost),
  };
}

/** The part of biases and norms, and what its present values cost. */
export interface VectorPart {
  readonly part: DiffPart;
  costs(): Cost[];
}

/**
 * Trains biases and norms as diffs do, their rounding in the loop, from what the full fine-tune changed in
 * them.
 */
export function createVectorPart(context: BaselineContext, rate: number): VectorPart {
  const { vectors } = splitTensors(context.base);
  const part = createDensePart(pickValues(context.base.trainable, vectors), {
    rate,
    // Changes in the weights' own units, as the baselines' learning rates are.
    sizes: new Map(vectors.map(({ name }) => [name, 1 / DENSE_GAIN])),
  });
  part.parameters.forEach((variable, i) => {
    const changes = valuesOf(context.full.deltas, (vectors[i] as TensorInfo).name);
    tf.tidy(() => variable.assign(tf.tensor1d(changes.slice())));
  });
  const costs = () =>
    part.ops(0).flatMap((op) => (op.kind === 'dense' ? [{ bits: valueBits(op.levels), scales: 1 }] : []));
  return { part, costs };
}

/** @returns the bytes that trained biases and norms will cost at most */
export function expectedVectorBytes(vectors: readonly TensorInfo[], rate: number): number {
  return costBytes([{ bits: totalElements(vectors) * rate, scales: vectors.length }]);
}

/** @returns bits a number on the grid of `quantiseToBits`, which reaches three standard deviations */
export function expectedGridBits(bits: number): number {
  const most = 2 ** (bits - 1) - 1;
  return expectedLevelBits(most / 3, 2 * most + 1);
}
