import * as tf from '@tensorflow/tfjs';
import { onlyTensor, overrideMethod, SAMPLE_NAME } from './override.js';
import { type Kind, registerSequenceKernels, runSequence } from './sequence.js';

/** The parts of the TensorFlow.js GRU and LSTM layers used here, as of version 4.22. */
interface RecurrentLayer {
  readonly returnSequences: boolean;
  readonly returnState: boolean;
  readonly goBackwards: boolean;
  readonly stateful: boolean;
  readonly cell: {
    readonly kernel: { read(): tf.Tensor2D };
    readonly recurrentKernel: { read(): tf.Tensor2D };
    readonly bias?: { read(): tf.Tensor1D } | null;
    readonly dropout: number;
    readonly recurrentDropout: number;
    readonly activation: { getClassName(): string };
    readonly recurrentActivation: { getClassName(): string };
  };
}

interface CallOptions {
  readonly mask?: unknown;
  readonly training?: boolean;
  readonly initialState?: unknown;
}

/**
 * Runs all steps of GRU and LSTM layers, and of their gradients, in one kernel each instead of dozens per
 * step. Layers with masks, external states, active dropout or other activations use the original methods.
 */
export function overrideRecurrentLayers(): void {
  const sample = { units: 1, name: SAMPLE_NAME };
  registerSequenceKernels();
  overrideLayer('gru', tf.layers.gru(sample));
  overrideLayer('lstm', tf.layers.lstm(sample));
}

function overrideLayer(kind: Kind, layer: tf.layers.Layer): void {
  const attempt = (self: RecurrentLayer, inputs: tf.Tensor | tf.Tensor[], options: CallOptions | null) =>
    runLayer(self, { inputs, options, kind });
  overrideMethod(Object.getPrototypeOf(layer), 'call', attempt);
}

function runLayer(
  layer: RecurrentLayer,
  call: { inputs: tf.Tensor | tf.Tensor[]; options: CallOptions | null; kind: Kind },
): tf.Tensor | undefined {
  const x = onlyTensor(call.inputs);
  if (x === undefined || !isSupported(layer, x, call.options ?? {})) return undefined;
  return tf.tidy(() => {
    const sequence = layer.goBackwards ? tf.reverse(x, 1) : x;
    const hidden = runSteps(sequence, layer, call.kind);
    if (layer.returnSequences) return hidden;
    const [batch, steps, units] = hidden.shape as [number, number, number];
    return tf.reshape(tf.slice(hidden, [0, steps - 1, 0], [batch, 1, units]), [batch, units]);
  });
}

function isSupported(layer: RecurrentLayer, x: tf.Tensor, options: CallOptions): boolean {
  const { cell } = layer;
  const hasState = layer.returnState || layer.stateful || options.initialState != null;
  const drops = options.training === true && (cell.dropout > 0 || cell.recurrentDropout > 0);
  const fits = x.rank === 3 && x.shape[2] === cell.kernel.read().shape[0];
  const isSequence = fits && x.dtype === 'float32' && x.size > 0;
  const gate = cell.recurrentActivation.getClassName();
  const isKnown = cell.activation.getClassName() === 'tanh' && (gate === 'hardSigmoid' || gate === 'sigmoid');
  return !hasState && !drops && isSequence && isKnown && options.mask == null;
}

function runSteps(sequence: tf.Tensor, layer: RecurrentLayer, kind: Kind): tf.Tensor {
  const { cell } = layer;
  const isHard = cell.recurrentActivation.getClassName() === 'hardSigmoid';
  const [kernel, recurrent, bias] = [cell.kernel.read(), cell.recurrentKernel.read(), cell.bias?.read()];
  return runSequence(kind, { x: sequence, kernel, recurrent, ...(bias && { bias }) }, { isHard }).hidden;
}
