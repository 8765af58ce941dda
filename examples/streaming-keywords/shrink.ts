import * as tf from '@tensorflow/tfjs';
import { namedWeights } from 'neural-diff/tfjs';
import type { BranchShape, StreamNetwork } from './model.js';

/** Weights by name. */
type Values = ReadonlyMap<string, tf.Tensor>;

/** Layers of a branch. */
const LAYERS = ['dense1', 'dense2', 'dense3'] as const;

/**
 * Fills the branches of a model with what a trained branch becomes when it is shrunk: pruned to its most
 * important units, or its kernels factorised. Other weights are those of the trained model.
 *
 * @param from a model with a branch `full`
 * @param to a model with these branches
 */
export function shrinkInto(
  from: tf.LayersModel,
  to: tf.LayersModel,
  branches: StreamNetwork['branches'],
): void {
  const trained: Values = new Map(namedWeights(from).map(({ name, variable }) => [name, variable]));
  tf.tidy(() => {
    const shrunk = new Map(Object.entries(branches).map(([name, shape]) => [name, shrink(trained, shape)]));
    for (const { name, variable } of namedWeights(to)) {
      const [branch, ...rest] = name.split('/') as [string, ...string[]];
      const value = shrunk.has(branch) ? shrunk.get(branch)?.get(rest.join('/')) : trained.get(name);
      if (value !== undefined) variable.assign(value as typeof variable);
    }
  });
}

function shrink(trained: Values, { units, rank }: BranchShape): Map<string, tf.Tensor> {
  return rank === undefined ? prune(trained, units) : factorise(trained, rank);
}

/**
 * Keeps the units with the largest product of the norms of what comes in and what goes out.
 *
 * Source: H. Li et al., "Pruning Filters for Efficient ConvNets", ICLR 2017, for norms as importance.
 */
function prune(trained: Values, units: number): Map<string, tf.Tensor> {
  const [first, second, last] = LAYERS.map((layer) => kernelOf(trained, layer));
  const kept1 = mostImportant(first as tf.Tensor2D, second as tf.Tensor2D, units);
  const kept2 = mostImportant(second as tf.Tensor2D, last as tf.Tensor2D, units);
  return new Map<string, tf.Tensor>([
    ['dense1/kernel', tf.gather(first as tf.Tensor, kept1, 1)],
    ['dense1/bias', tf.gather(biasOf(trained, 'dense1'), kept1)],
    ['dense2/kernel', tf.gather(tf.gather(second as tf.Tensor, kept1, 0), kept2, 1)],
    ['dense2/bias', tf.gather(biasOf(trained, 'dense2'), kept2)],
    ['dense3/kernel', tf.gather(last as tf.Tensor, kept2, 0)],
    ['dense3/bias', biasOf(trained, 'dense3')],
  ]);
}

function mostImportant(kernel: tf.Tensor2D, next: tf.Tensor2D, units: number): tf.Tensor1D {
  const importance = tf.mul(tf.norm(kernel, 2, 0), tf.norm(next, 2, 1)) as tf.Tensor1D;
  return tf.topk(importance, units).indices as tf.Tensor1D;
}

/** Replaces each kernel by the product of rank r that is nearest to it. */
function factorise(trained: Values, rank: number): Map<string, tf.Tensor> {
  return new Map(
    LAYERS.flatMap((layer) => {
      const kernel = kernelOf(trained, layer);
      const directions = mainDirections(kernel, Math.min(rank, ...kernel.shape));
      return [
        [`${layer}/factor/kernel`, tf.matMul(kernel, directions)],
        [`${layer}/kernel`, tf.transpose(directions)],
        [`${layer}/bias`, biasOf(trained, layer)],
      ] as [string, tf.Tensor][];
    }),
  );
}

/** Rounds of the subspace iteration: its directions need not be exact, as training follows. */
const ROUNDS = 12;

/** @returns the first right singular vectors as columns, by subspace iteration */
function mainDirections(kernel: tf.Tensor2D, rank: number): tf.Tensor2D {
  const columns = kernel.shape[1];
  let directions = tf.randomNormal([columns, rank], 0, 1, 'float32', 1) as tf.Tensor2D;
  for (let i = 0; i < ROUNDS; i++) {
    const powered = tf.matMul(kernel, tf.matMul(kernel, directions), true) as tf.Tensor2D;
    directions = tf.transpose(tf.linalg.gramSchmidt(tf.transpose(powered)) as tf.Tensor2D) as tf.Tensor2D;
  }
  return directions;
}

function kernelOf(trained: Values, layer: string): tf.Tensor2D {
  return trained.get(`full/${layer}/kernel`) as tf.Tensor2D;
}

function biasOf(trained: Values, layer: string): tf.Tensor1D {
  return trained.get(`full/${layer}/bias`) as tf.Tensor1D;
}
