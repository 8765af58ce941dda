import * as tf from '@tensorflow/tfjs';
import { NeuralDiffError } from '../model/errors.js';
import type { Quantization } from '../model/store.js';
import type { Model } from '../model/tensor.js';
import { type NamedWeight, namedWeights } from '../tfjs/weights.js';
import { checkChoice } from './check.js';
import { type Batch, type Data, isArrayData, listTensors } from './data.js';
import { fitLabels, LOSSES } from './losses.js';
import { createPredictor, type OutputKind } from './predictor.js';

/** Values measured on a set: `loss`, and the model's metrics under their names (`accuracy`, …). */
export type Metrics = Readonly<Record<string, number>>;

/** A model as devices store it, in other dtypes than it is trained in. */
export interface DeviceModel extends Model {
  /** Quantisation of int8 and uint8 tensors. */
  readonly quantization?: ReadonlyMap<string, Quantization>;
}

/**
 * A learning task: variables, and how a batch results in a loss. `createTask` makes one from a compiled
 * LayersModel; for other models implement the five members.
 */
export interface Task {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /** Shapes of the inputs, the batch first; null where any size will do. Unchecked unless given. */
  readonly inputShapes?: readonly (readonly (number | null)[])[] | undefined;
  readonly weights: readonly NamedWeight[];
  /** One per output. */
  readonly outputKinds: readonly OutputKind[];
  /** Runs the model on a batch's inputs, with the current values of the variables. */
  outputs(xs: tf.Tensor[]): tf.Tensor[];
  /** Runs it for a step of the full fine-tune; as `outputs` if absent. */
  readonly fineTuneOutputs?: Task['outputs'] | undefined;
  /** The scalar to minimise. */
  loss(outputs: tf.Tensor[], batch: Batch): tf.Scalar;
  /** Measures the model in inference mode, with the current values of the variables. */
  evaluate(data: Data): Promise<Metrics>;
  /** The model as devices store it, if that has other tensors or dtypes than the variables. */
  readonly device?: DeviceModel | undefined;
  /**
   * Tests before training, on the inputs of a batch, that gradients are right.
   *
   * @throws NeuralDiffError `unsupported-model`
   */
  checkGradients?(xs: tf.Tensor[]): Promise<void>;
  /** Frees the variables; absent if they belong to a model of the caller. */
  dispose?(): void;
}

/** How to turn a LayersModel into a task. */
export interface TaskOptions {
  /**
   * `inference` (default): dropout is off, and batch normalisation uses the base's statistics and keeps them,
   * so that a diff changes only trained weights. `training`: as in `model.fit`; moving statistics are
   * restored afterwards, and dropout layers need their own seed for a run to be reproducible.
   */
  readonly mode?: 'inference' | 'training';
  /**
   * How the full fine-tune is trained; default: `mode`. With `training` here alone, the full fine-tune trains
   * with dropout, and the diff and its teacher run without.
   */
  readonly fineTuneMode?: 'inference' | 'training' | undefined;
  /** Meaning of the outputs; by default derived from the activations of the last layers. */
  readonly outputKind?: OutputKind | undefined;
  /** Batch size for measuring array sets. */
  readonly evaluationBatchSize?: number;
}

/**
 * Creates a task from a compiled LayersModel: its loss, metrics and regularisers. Cross-entropies of
 * probabilities have a gradient down to 1e-30, while those of TensorFlow.js are clipped at 1e-7.
 *
 * @param model any LayersModel after `compile`
 * @throws TypeError if the model is not compiled
 */
export function createLayersTask(model: tf.LayersModel, options: TaskOptions = {}): Task {
  checkChoice('mode', options.mode, ['inference', 'training']);
  checkChoice('fineTuneMode', options.fineTuneMode, ['inference', 'training']);
  checkChoice('outputKind', options.outputKind, ['probabilities', 'logits', 'values']);
  const { outputKind, mode = 'inference', fineTuneMode = mode } = options;
  const predictor = createPredictor(model, { training: mode === 'training', outputKind });
  const { inputNames, inputShapes, outputNames, outputKinds, outputs } = predictor;
  const lossFunctions = lossFunctionsOf(model).map((loss, i) =>
    outputKinds[i] === 'probabilities' ? (CROSS_ENTROPIES[lossNameOf(model, i)] ?? loss) : loss,
  );
  return {
    weights: namedWeights(model),
    inputNames,
    inputShapes,
    outputNames,
    outputKinds,
    outputs,
    ...(fineTuneMode !== mode && {
      fineTuneOutputs: createPredictor(model, { training: fineTuneMode === 'training' }).outputs,
    }),
    loss(outputs, batch) {
      const parts = lossFunctions.map((loss, i) => {
        const [output, name] = [outputs[i] as tf.Tensor, outputNames[i] as string];
        const labels = fitLabels(lossNameOf(model, i), { labels: batch.ys[i] as tf.Tensor, output, name });
        return tf.mean(loss(labels, output));
      });
      return tf.addN([...parts, ...model.calculateLosses()]) as tf.Scalar;
    },
    async evaluate(data) {
      const scalars = await evaluateModel(model, data, options.evaluationBatchSize ?? 128);
      return readMetrics(model, scalars);
    },
  };
}

/** Begin messages of TensorFlow.js on examples whose shapes do not fit the model. */
const MISFIT = /^(Error when checking|input expected|target expected)/;

/** @throws NeuralDiffError `bad-data` for examples of another shape */
async function evaluateModel(model: tf.LayersModel, data: Data, batchSize: number): Promise<tf.Scalar[]> {
  try {
    const scalars = isArrayData(data)
      ? model.evaluate(listTensors(data.xs, model.inputNames), listTensors(data.ys, model.outputNames), {
          batchSize,
        })
      : await model.evaluateDataset(data as tf.data.Dataset<tf.TensorContainerObject>, {});
    return [scalars].flat();
  } catch (cause) {
    if (!(cause instanceof Error && MISFIT.test(cause.message))) throw cause;
    throw new NeuralDiffError('bad-data', `Cannot use data for measuring: ${cause.message}`, { cause });
  }
}

/** @returns the task as its full fine-tune runs it */
export function fineTuneTask(task: Task): Task {
  const { fineTuneOutputs } = task;
  return fineTuneOutputs === undefined ? task : { ...task, outputs: fineTuneOutputs };
}

/** A Sequential model stores its compiled losses in the model that it wraps. */
function lossFunctionsOf(model: tf.LayersModel): readonly LossFunction[] {
  const wrapped = (model as unknown as { model?: tf.LayersModel }).model;
  const functions = model.lossFunctions ?? wrapped?.lossFunctions;
  if (functions === undefined) throw new TypeError('Cannot use model: compile it with a loss first');
  return functions;
}

/** @returns the name of an output's loss; empty if the loss is a function */
function lossNameOf({ loss, outputNames }: tf.LayersModel, index: number): string {
  const named = typeof loss === 'object' && !Array.isArray(loss) ? loss[outputNames[index] as string] : loss;
  const own = Array.isArray(named) ? named[index] : named;
  return typeof own === 'string' ? own : '';
}

/**
 * TensorFlow.js shortens `accuracy` to `acc`, and returns the sum of the losses after each output: only the
 * last one is the loss, and has a name.
 */
async function readMetrics(model: tf.LayersModel, scalars: tf.Scalar[]): Promise<Metrics> {
  const read = async (scalar: tf.Scalar, i: number) => {
    const name = model.metricsNames[i] ?? `metric${i}`;
    return [name === 'acc' ? 'accuracy' : name, (await scalar.data())[0] as number] as const;
  };
  const entries = await Promise.all(scalars.slice(model.outputs.length - 1).map(read));
  tf.dispose(scalars);
  return Object.fromEntries(entries);
}

/** A loss function of labels and outputs, as stored by `compile`. */
type LossFunction = tf.LayersModel['lossFunctions'][number];

/** Cross-entropies of probabilities that replace those of TensorFlow.js. */
const CROSS_ENTROPIES: Readonly<Record<string, LossFunction>> = {
  categoricalCrossentropy: LOSSES.categoricalCrossentropy,
  sparseCategoricalCrossentropy: LOSSES.sparseCategoricalCrossentropy,
};
