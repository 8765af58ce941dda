import * as tf from '@tensorflow/tfjs';
import type { NamedWeight } from '../tfjs/weights.js';
import { checkChoice } from './check.js';
import { borrowInOrder } from './data.js';
import { fitLabels, hitsOf, type LossFunction, type LossName, lossOf } from './losses.js';
import type { OutputKind, Predictor } from './predictor.js';
import type { DeviceModel, Metrics, Task } from './task.js';

/** A network that runs on TensorFlow.js and can be differentiated, without a loss of its own. */
export interface Network {
  /** Its float weights, under the names and in the shapes of the model's file. */
  readonly weights: readonly NamedWeight[];
  readonly inputNames: readonly string[];
  /** One per input, with the batch dimension first; null for any size. Undefined if some are unknown. */
  readonly inputShapes: readonly (readonly (number | null)[])[] | undefined;
  /** The model's own outputs. */
  readonly outputNames: readonly string[];
  /** The model as its file stores it, if that has other tensors or dtypes than `weights`. */
  readonly stored?: DeviceModel | undefined;
  /**
   * Describes a value of the network: an output or any value before it.
   *
   * @returns undefined if there is none of this name
   */
  describe(name: string): ValueFacts | undefined;
  /** Runs the network up to the named values. */
  run(xs: tf.Tensor[], names: readonly string[]): tf.Tensor[];
  /**
   * Tests, on inputs, that the gradients of the weights are right.
   *
   * @throws NeuralDiffError `unsupported-model`
   */
  checkGradients?(xs: tf.Tensor[], names: readonly string[]): Promise<void>;
  /** Frees the variables. */
  dispose(): void;
}

/** What is known of a value of a network. */
export interface ValueFacts {
  /** With the batch dimension first, null for any size; undefined if the rank is unknown, too. */
  readonly shape?: readonly (number | null)[] | undefined;
  /** Name of the last activation, such as `softmax` or `sigmoid`; undefined for others. */
  readonly activation?: string | undefined;
}

/** How to turn a network into a task. */
export interface NetworkTaskOptions {
  /** The name of a standard loss or a function of labels and output; one for all outputs, or one for each. */
  readonly loss: LossName | LossFunction | readonly (LossName | LossFunction)[];
  /**
   * Names of the values to train on, in the order of the labels: outputs, or values before them, such as the
   * logits before a softmax; by default all outputs.
   */
  readonly outputs?: readonly string[] | undefined;
  /** Meaning of these values; by default probabilities after a softmax or a sigmoid, else values. */
  readonly outputKind?: OutputKind | undefined;
  /** Further metrics by name, each of the first output; their means over the examples are measured. */
  readonly metrics?: Readonly<Record<string, LossFunction>> | undefined;
  /** Batch size for measuring array sets; 128 by default. */
  readonly evaluationBatchSize?: number | undefined;
}

/**
 * Creates a task from a network and a loss. It measures `loss`, and `accuracy` for cross-entropies.
 *
 * @throws TypeError without a loss or with too many; RangeError for an unknown loss or output
 */
export function createNetworkTask(network: Network, options: NetworkTaskOptions): Task {
  const { loss, metrics = {}, evaluationBatchSize = 128 } = options;
  if (loss === undefined) throw new TypeError('Cannot create a task: expected a loss');
  const predictor = createNetworkPredictor(network, options);
  const { outputNames, outputKinds } = predictor;
  const losses = listLosses(loss, outputNames);
  const functions = losses.map((each, i) => lossOf(each, outputKinds[i] as OutputKind));
  const lossesOf = (outputs: readonly tf.Tensor[], ys: readonly tf.Tensor[]): tf.Tensor[] =>
    functions.map((each, i) => {
      const [labels, output] = [ys[i] as tf.Tensor, outputs[i] as tf.Tensor];
      return each(fitLabels(losses[i], { labels, output, name: outputNames[i] as string }), output);
    });
  const task: Task = {
    ...predictor,
    weights: network.weights,
    device: network.stored,
    loss: (outputs, { ys }) => tf.addN(lossesOf(outputs, ys).map((each) => tf.mean(each))) as tf.Scalar,
    evaluate: (data) =>
      meanOver(borrowInOrder(data, task, evaluationBatchSize), ({ xs, ys }) => {
        const outputs = task.outputs(xs);
        const sums = {
          loss: tf.addN(lossesOf(outputs, ys).map((each) => tf.mean(each))),
          ...metricsOf(metrics, ys[0] as tf.Tensor, outputs[0] as tf.Tensor),
        };
        const first = losses.findIndex(isCrossEntropy);
        if (first < 0) return sums;
        const [label, output] = [ys[first] as tf.Tensor, outputs[first] as tf.Tensor];
        return { ...sums, accuracy: tf.mean(hitsOf(label, output, outputKinds[first] as OutputKind)) };
      }),
    ...(network.checkGradients && {
      checkGradients: (xs: tf.Tensor[]) => (network.checkGradients as GradientCheck)(xs, outputNames),
    }),
  };
  return task;
}

function metricsOf(
  metrics: Readonly<Record<string, LossFunction>>,
  labels: tf.Tensor,
  outputs: tf.Tensor,
): Record<string, tf.Tensor> {
  const measured = Object.entries(metrics).map(([name, of]) => [name, tf.mean(of(labels, outputs))]);
  return Object.fromEntries(measured);
}

type GradientCheck = NonNullable<Network['checkGradients']>;

/**
 * Wraps a network for inference.
 *
 * @throws RangeError for an unknown output
 */
export function createNetworkPredictor(
  network: Network,
  options: Pick<NetworkTaskOptions, 'outputs' | 'outputKind'> = {},
): Predictor {
  const { outputs: names = network.outputNames, outputKind } = options;
  checkChoice('outputKind', outputKind, ['probabilities', 'logits', 'values']);
  const facts = names.map((name) => {
    const found = network.describe(name);
    if (found) return found;
    const known = network.outputNames.map((each) => `"${each}"`).join(', ');
    throw new RangeError(
      `Cannot use output "${name}": the model has no such value; its outputs are ${known}`,
    );
  });
  const { inputNames, inputShapes } = network;
  return {
    inputNames,
    inputShapes,
    outputNames: names,
    outputShapes: facts.map(({ shape }) => shape ?? [null]),
    outputKinds: facts.map(({ activation }) => outputKind ?? kindOf(activation)),
    activations: facts.map(({ activation }) => activation),
    outputs: (xs) => network.run(xs, names),
    dispose: () => network.dispose(),
  };
}

/** @returns what the numbers behind an activation mean */
export function kindOf(activation: string | undefined): OutputKind {
  return activation === 'softmax' || activation === 'sigmoid' ? 'probabilities' : 'values';
}

function listLosses(loss: NetworkTaskOptions['loss'], outputNames: readonly string[]) {
  const losses = typeof loss === 'object' ? loss : outputNames.map(() => loss);
  if (losses.length === outputNames.length) return losses;
  throw new TypeError(
    `Cannot create a task: expected one loss for each of [${outputNames}], got ${losses.length}`,
  );
}

function isCrossEntropy(loss: LossName | LossFunction): boolean {
  return typeof loss === 'string' && loss.endsWith('rossentropy');
}

/** @returns the mean of scalars over examples, given their means over batches */
async function meanOver(
  batches: ReturnType<typeof borrowInOrder>,
  measure: (batch: { xs: tf.Tensor[]; ys: tf.Tensor[] }) => Record<string, tf.Tensor>,
): Promise<Metrics> {
  const sums: Record<string, number> = {};
  let count = 0;
  for await (const batch of batches) {
    const size = batch.ys[0]?.shape[0] ?? 0;
    const measured = tf.tidy(() => measure(batch));
    for (const [name, value] of Object.entries(measured))
      sums[name] = (sums[name] ?? 0) + size * ((await value.data())[0] as number);
    tf.dispose(measured);
    count += size;
  }
  return Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum / count]));
}
