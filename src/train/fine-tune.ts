import * as tf from '@tensorflow/tfjs';
import { trackSquares } from '../tfjs/kernels/diff/gates.js';
import type { Data } from './data.js';
import { type LoopOptions, materialiseValues, type TrainingOptions, trainParts } from './loop.js';
import { type DiffPart, type LiveValues, readFloats, type Values, valuesOf, zeroVariables } from './part.js';
import { checkSeed } from './random.js';
import { checkData, checkGradients, measure, takeBase, withBaseRestored } from './session.js';
import type { Metrics, Task } from './task.js';

/** Options of `fineTune`. Defaults: 12 epochs, batches of 32, learning rate 0.002, seed 0. */
export interface FineTuneOptions extends TrainingOptions {
  readonly task: Task;
  readonly train: Data;
  readonly validation?: Data | undefined;
}

/** A full fine-tune: the accuracy reference, the teacher of diffs, and the guide to which weights matter. */
export interface FineTuned {
  /** The trained tensors. */
  readonly weights: ReadonlyMap<string, Float32Array>;
  /** The difference between the trained tensors and the base. */
  readonly deltas: ReadonlyMap<string, Float32Array>;
  /** Diagonal of the empirical Fisher information, by tensor. */
  readonly fisher: ReadonlyMap<string, Float32Array>;
  /** On the validation set; empty without one. */
  readonly metrics: Metrics;
}

/**
 * Trains every trainable weight with the same loop as diffs. The task's variables are restored to the base.
 *
 * @throws NeuralDiffError `training-diverged`, `bad-data`; the signal's reason
 *
 * @example
 * await useBackend('wasm');
 * const layer = tf.layers.dense({ inputShape: [4], units: 256, activation: 'softmax' });
 * const model = tf.sequential({ layers: [layer] });
 * model.compile({ optimizer: 'adam', loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
 * const xs = tf.randomNormal([512, 4]);
 * const ys = tf.oneHot(tf.argMax(xs, 1), 256).toFloat();
 * const { metrics } = await fineTune({ task: createTask(model), train: { xs, ys }, validation: { xs, ys } });
 * console.log(metrics.accuracy);
 */
export async function fineTune(options: FineTuneOptions): Promise<FineTuned> {
  const { task, train, validation } = options;
  const loop = loopOptions(options, { epochs: 12, learningRate: 2e-3 });
  checkData(task, train);
  const base = takeBase(task, options);
  await checkGradients(task, train);
  const part = createFreePart(base.trainable);
  return withBaseRestored(task, base, async () => {
    try {
      await trainParts({ phase: 'fine-tune', task, data: train, base: base.trainable, parts: [part] }, loop);
      const weights = materialiseValues(base.trainable, [part]);
      const metrics = validation ? await measure(task, { base, trained: weights }, validation) : {};
      return { weights, deltas: part.deltas(), fisher: part.fisher(), metrics };
    } finally {
      part.dispose();
    }
  });
}

/** @returns the loop's options with defaults filled in and numbers checked */
export function loopOptions(
  options: TrainingOptions,
  defaults: Pick<LoopOptions, 'epochs' | 'learningRate'>,
): LoopOptions {
  const {
    epochs = defaults.epochs,
    batchSize = 32,
    learningRate = defaults.learningRate,
    seed = 0,
  } = options;
  if (!Number.isInteger(epochs) || epochs < 1)
    throw new RangeError(`Cannot train: expected a whole number of epochs of at least 1, got ${epochs}`);
  if (!Number.isInteger(batchSize) || batchSize < 1)
    throw new RangeError(`Cannot train: expected a whole batch size of at least 1, got ${batchSize}`);
  if (typeof learningRate === 'number' && !(learningRate > 0))
    throw new RangeError(`Cannot train: expected a positive learning rate, got ${learningRate}`);
  const { optimizer, signal, onStep, onEpoch } = options;
  return { epochs, batchSize, learningRate, seed: checkSeed(seed), optimizer, signal, onStep, onEpoch };
}

/** Decay of the running mean per step: the default of Adam's second moment. */
const DECAY = 0.999;

/** The part of a full fine-tune: every weight is trained freely. */
export interface FreePart extends DiffPart {
  /** @returns the changes so far */
  deltas(): Values;
  /**
   * Running mean of the squared gradients by tensor: the diagonal of the empirical Fisher information.
   *
   * Source: D. P. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", 2015, section 5.
   */
  fisher(): Values;
}

/** Creates a part that trains every weight of some tensors freely. */
function createFreePart(base: Values): FreePart {
  const deltas = zeroVariables(base);
  const fisher = zeroVariables(base);
  const tensors = [...base.keys()];
  const flat = (tensor: tf.Tensor): tf.Tensor => tf.reshape(tensor, [-1]);
  const read = (variables: LiveValues): Values =>
    new Map([...variables].map(([name, variable]) => [name, readFloats(variable)]));
  return {
    tensors,
    parameters: [...deltas.values()],
    deltas: () => read(deltas),
    fisher: () => read(fisher),
    advance() {},
    materialise(weights) {
      const add = (name: string): tf.Tensor => {
        const weight = valuesOf(weights, name);
        return tf.add(weight, tf.reshape(valuesOf(deltas, name), weight.shape));
      };
      return new Map(tensors.map((name) => [name, add(name)]));
    },
    pullBack(gradients) {
      return tensors.map((name) => {
        const gradient = flat(valuesOf(gradients, name));
        trackSquares(valuesOf(fisher, name), gradient, DECAY);
        return gradient;
      });
    },
    ops: () => [],
    describe: () => ({}),
    dispose: () => tf.dispose([...deltas.values(), ...fisher.values()]),
  };
}
