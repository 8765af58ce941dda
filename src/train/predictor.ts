import * as tf from '@tensorflow/tfjs';
import { borrowInOrder, type Data, type Ports } from './data.js';

/** What the numbers of an output mean; it decides how a student is compared with its teacher. */
export type OutputKind = 'probabilities' | 'logits' | 'values';

/** A model that is run and not trained. */
export interface Predictor extends Ports {
  /** One an output, the batch first; null where the size is not fixed. */
  readonly outputShapes: readonly (readonly (number | null)[])[];
  readonly outputKinds: readonly OutputKind[];
  /** Activations of the layers that outputs come from, as `sigmoid`; undefined for layers without. */
  readonly activations: readonly (string | undefined)[];
  /** Runs the model on a batch's inputs. */
  outputs(xs: tf.Tensor[]): tf.Tensor[];
  /** Frees the model. */
  dispose(): void;
}

/** How a model is run. */
export interface PredictorOptions {
  /** As `model.fit` would run it, with dropout; false unless given. */
  readonly training?: boolean;
  /** What the outputs mean; read from the last layers' activations unless given. */
  readonly outputKind?: OutputKind | undefined;
}

/** Takes a LayersModel, compiled or not, for its outputs alone. */
export function createPredictor(model: tf.LayersModel, options: PredictorOptions = {}): Predictor {
  const { training = false, outputKind } = options;
  // A Sequential has no names of its own before it is first used.
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

/** Some examples in a row: a list of labels, and of what a model gives; one an output. */
export interface Rows {
  readonly labels: readonly Numbers[];
  /** Empty where no model was run. */
  readonly outputs: readonly Numbers[];
}

/** Examples at once where array sets are walked through. */
const BATCH_SIZE = 128;

/**
 * Walks through a set once, its examples in their own order. Other work gets a turn between batches.
 *
 * @param data array sets are cut into batches of 128
 * @param ports the model's inputs and outputs: of a predictor, the outputs are computed too
 * @throws NeuralDiffError `bad-data` for examples that do not fit the model, for none, for an endless dataset
 */
export async function* readRows(data: Data, ports: Ports | Predictor): AsyncGenerator<Rows> {
  for await (const { xs, ys } of borrowInOrder(data, ports, BATCH_SIZE)) {
    const outputs = 'outputs' in ports ? tf.tidy(() => ports.outputs(xs)) : [];
    try {
      yield { labels: await readAll(ys), outputs: await readAll(outputs) };
    } finally {
      tf.dispose(outputs);
    }
    await tf.nextFrame();
  }
}

function readAll(tensors: readonly tf.Tensor[]): Promise<Numbers[]> {
  return Promise.all(
    tensors.map(async (tensor) => ({ shape: tensor.shape.slice(), values: await tensor.data() })),
  );
}
