import * as tf from '@tensorflow/tfjs';
import { type NamedWeight, namedWeights } from '../tfjs/weights.js';
import { checkChoice } from './check.js';
import { type Batch, type Data, isArrayData, listTensors } from './data.js';
import { createPredictor } from './predictor.js';

/** Values measured on a set: `loss`, and the model's metrics under their names (`accuracy`, …). */
export type Metrics = Readonly<Record<string, number>>;

/**
 * What is being learned: some variables, and how they turn a batch into a loss. `createTask` makes one of a compiled
 * LayersModel; for any other model write the five members by hand.
 */
export interface Task {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /** Shapes of the inputs, the batch first; null where any size will do. Unchecked unless given. */
  readonly inputShapes?: readonly (readonly (number | null)[])[] | undefined;
  readonly weights: readonly NamedWeight[];
  /** One an output. */
  readonly outputKinds: readonly ('probabilities' | 'logits' | 'values')[];
  /** Runs the model on a batch's inputs, with the variables as they are. */
  outputs(xs: tf.Tensor[]): tf.Tensor[];
  /** The scalar to minimise. */
  loss(outputs: tf.Tensor[], batch: Batch): tf.Scalar;
  /** Measures the model, with the variables as they are, in inference mode. */
  evaluate(data: Data): Promise<Metrics>;
}

/** How a LayersModel becomes a task. */
export interface TaskOptions {
  /**
   * `inference` (default): dropout is off and batch normalisation uses, and keeps, the base's statistics, so that a
   * diff changes trained weights alone. `training`: as `model.fit` would run it; moving statistics are restored after,
   * and dropout layers need a seed of their own for a run to be repeatable.
   */
  readonly mode?: 'inference' | 'training';
  /** What the outputs mean; read from the last layers' activations unless given. */
  readonly outputKind?: 'probabilities' | 'logits' | 'values' | undefined;
  /** Examples a batch when array sets are measured. */
  readonly evaluationBatchSize?: number;
}

/**
 * Makes a task of a compiled LayersModel: its loss, its metrics, its regularisers. Cross-entropies of probabilities have a gradient
 * down to 1e-30, where those of TensorFlow.js end at 1e-7.
 *
 * @param model any LayersModel after `compile`
 * @throws TypeError when the model is not compiled
 */
export function createTask(model: tf.LayersModel, options: TaskOptions = {}): Task {
  checkChoice('mode', options.mode, ['inference', 'training']);
  checkChoice('outputKind', options.outputKind, ['probabilities', 'logits', 'values']);
  const { outputKind, mode } = options;
  const predictor = createPredictor(model, { training: mode === 'training', outputKind });
  const { inputNames, inputShapes, outputNames, outputKinds, outputs } = predictor;
  const lossFunctions = lossFunctionsOf(model).map((loss, i) =>
    outputKinds[i] === 'probabilities' ? (CROSS_ENTROPIES[lossNameOf(model, i)] ?? loss) : loss,
  );
  return {
    weights: namedWeights(model),
    ...{ inputNames, inputShapes, outputNames, outputKinds, outputs },
    loss(outputs, batch) {
      const parts = lossFunctions.map((loss, i) =>
        tf.mean(loss(batch.ys[i] as tf.Tensor, outputs[i] as tf.Tensor)),
      );
      return tf.addN([...parts, ...model.calculateLosses()]) as tf.Scalar;
    },
    async evaluate(data) {
      const scalars = isArrayData(data)
        ? model.evaluate(listTensors(data.xs, model.inputNames), listTensors(data.ys, outputNames), {
            batchSize: options.evaluationBatchSize ?? 128,
          })
        : await model.evaluateDataset(data as tf.data.Dataset<tf.TensorContainerObject>, {});
      return nameMetrics(model, Array.isArray(scalars) ? scalars : [scalars]);
    },
  };
}

/** A Sequential keeps what `compile` made of its losses in the model that it wraps. */
function lossFunctionsOf(model: tf.LayersModel): readonly LossFunction[] {
  const wrapped = (model as unknown as { model?: tf.LayersModel }).model;
  const functions = model.lossFunctions ?? wrapped?.lossFunctions;
  if (functions === undefined) throw new TypeError('Cannot use model: compile it with a loss first');
  return functions;
}

/** @returns the name of an output's loss; empty for one that is a function */
function lossNameOf({ loss, outputNames }: tf.LayersModel, index: number): string {
  const named = typeof loss === 'object' && !Array.isArray(loss) ? loss[outputNames[index] as string] : loss;
  const own = Array.isArray(named) ? named[index] : named;
  return typeof own === 'string' ? own : '';
}

/** TensorFlow.js shortens `accuracy` to `acc`. */
function nameMetrics(model: tf.LayersModel, scalars: tf.Scalar[]): Metrics {
  const entries = scalars.map((scalar, i) => {
    const name = model.metricsNames[i] ?? `metric${i}`;
    return [name === 'acc' ? 'accuracy' : name, scalar.dataSync()[0] as number] as const;
  });
  tf.dispose(scalars);
  return Object.fromEntries(entries);
}

/** Its logarithm is taken for that of 0; far below what networks give, or outputs at it would have no gradient. */
const LEAST_PROBABILITY = 1e-30;

/** @returns logarithms of probabilities that may be as small as 1e-30 */
export function logOf(probabilities: tf.Tensor): tf.Tensor {
  return tf.log(tf.clipByValue(probabilities, LEAST_PROBABILITY, 1));
}

/** A loss of labels and outputs, as `compile` keeps it. */
export type LossFunction = tf.LayersModel['lossFunctions'][number];

/**
 * The cross-entropies of TensorFlow.js cut probabilities off at 1e-7. A class that a network has come to rule out, as it does with
 * outputs that are kept for later, then has no gradient and cannot be learnt any more. These go on.
 */
export const CROSS_ENTROPIES: Readonly<Record<string, LossFunction>> = {
  categoricalCrossentropy: (labels, probabilities) =>
    tf.neg(tf.sum(tf.mul(tf.cast(labels, 'float32'), logOf(probabilities)), -1)),
  sparseCategoricalCrossentropy: (labels, probabilities) => {
    const classes = probabilities.shape.at(-1) as number;
    const hot = tf.oneHot(tf.cast(tf.reshape(labels, [-1]), 'int32'), classes);
    return tf.neg(
      tf.sum(tf.mul(tf.reshape(tf.cast(hot, 'float32'), probabilities.shape), logOf(probabilities)), -1),
    );
  },
};
