import * as tf from '@tensorflow/tfjs';
import { borrowInOrder, type Data, type Ports } from './data.js';

/** The meaning of an output's numbers; it decides how a student is compared with its teacher. */
export type OutputKind = 'probabilities' | 'logits' | 'values';

/** What is known of a model's outputs without running it. */
export interface OutputFacts extends Ports {
  /** One per output, with the batch dimension first; null if the size is not fixed. */
  readonly outputShapes: readonly (readonly (number | null)[])[];
  readonly outputKinds: readonly OutputKind[];
  /** Activations of the output layers, such as `sigmoid`; undefined for layers without one. */
  readonly activations: readonly (string | undefined)[];
  /** Place of the output whose classes reports measure, if one was chosen of several. */
  readonly measured?: number | undefined;
}

/** A model for inference. */
export interface Predictor extends OutputFacts {
  /** Runs the model on a batch's inputs. */
  outputs(xs: tf.Tensor[]): tf.Tensor[];
  /** Frees the model. */
  dispose(): void;
}

/** How to run a model. */
export interface PredictorOptions {
  /** Runs the model as `model.fit` does, with dropout; false by default. */
  readonly training?: boolean;
  /** Meaning of the outputs; by default derived from the activations of the last layers. */
  readonly outputKind?: OutputKind | undefined;
}

/** Wraps a LayersModel, compiled or not, for inference. */
export function createPredictor(model: tf.LayersModel, options: PredictorOptions = {}): Predictor {
  const { training = false, outputKind } = options;
  // A Sequential model has no input names before it is built.
  if (model.inputNames.length === 0) model.build(model.inputs.map((input) => input.shape));
  return {
    inputNames: model.inputNames,
    inputShapes: model.inputs.map((input) => input.shape),
    outputNames: model.outputNames,
    outputShapes: model.outputs.map((output) => output.shape),
    outputKinds: model.outputs.map((output) => outputKind ?? outputKindOf(output)),
    activations: model.outputs.map(activationOf),
    outputs(xs) {
      const outputs = model.apply(xs.length === 1 ? (xs[0] as tf.Tensor) : xs, { training }) as
        | tf.Tensor
        | tf.Tensor[];
      return Array.isArray(outputs) ? outputs : [outputs];
    },
    dispose: () => void model.dispose(),
  };
}

function activationOf({ sourceLayer }: tf.SymbolicTensor): string | undefined {
  const { activation } = sourceLayer.getConfig();
  return typeof activation === 'string' ? activation : undefined;
}

function outputKindOf(output: tf.SymbolicTensor): OutputKind {
  const isSoftmax = activationOf(output) === 'softmax' || output.sourceLayer.getClassName() === 'Softmax';
  return isSoftmax ? 'probabilities' : 'values';
}

/** A tensor's numbers, row-major. */
export interface Numbers {
  readonly shape: readonly number[];
  readonly values: Float32Array | Int32Array | Uint8Array;
}

/** A model that a runtime runs, TensorFlow.js or another one. */
export interface Runner extends OutputFacts {
  /** Name and version of the runtime. */
  readonly runtime: string;
  /** Runs the model on a batch's inputs. @returns its outputs */
  run(xs: readonly tf.Tensor[]): Promise<Numbers[]>;
  /** Frees the model. */
  dispose(): Promise<void>;
}

/** @returns a runner of a model on the active backend of TensorFlow.js */
export function createRunner(predictor: Predictor): Runner {
  const { outputs, dispose, ...facts } = predictor;
  return {
    ...facts,
    runtime: `TensorFlow.js ${tf.version_core}, ${tf.getBackend()}`,
    async run(xs) {
      const found = tf.tidy(() => outputs([...xs]));
      return readAll(found).finally(() => tf.dispose(found));
    },
    dispose: async () => dispose(),
  };
}

/** Labels and model outputs of consecutive examples, one item per output. */
export interface Rows {
  readonly labels: readonly Numbers[];
  /** Empty if no model was run. */
  readonly outputs: readonly Numbers[];
}

/** Batch size for array sets. */
const BATCH_SIZE = 128;

/**
 * Iterates over a set once, in its own order, and yields to the event loop between batches.
 *
 * @param data array sets are split into batches of 128
 * @param ports the model's inputs and outputs; for a runner, its outputs are computed too
 * @throws NeuralDiffError `bad-data` for examples that do not fit the model, an empty set, an infinite
 *   dataset
 */
export async function* readRows(data: Data, ports: Ports | Runner): AsyncGenerator<Rows> {
  for await (const { xs, ys } of borrowInOrder(data, ports, BATCH_SIZE)) {
    const outputs = 'run' in ports ? await ports.run(xs) : [];
    yield { labels: await readAll(ys), outputs };
    await tf.nextFrame();
  }
}

function readAll(tensors: readonly tf.Tensor[]): Promise<Numbers[]> {
  return Promise.all(
    tensors.map(async (tensor) => ({ shape: tensor.shape.slice(), values: await tensor.data() })),
  );
}
