import * as tf from '@tensorflow/tfjs';
import { type OwnKernel, registerOwnKernel, runOwnKernel } from '../own-kernels.js';
import { onlyTensor, overrideMethod, SAMPLE_NAME } from './override.js';
import {
  type Backward,
  type Forward,
  type Kind,
  recurrentBackward,
  recurrentForward,
} from './recurrent-kernels.js';

/** What is read off a GRU or LSTM layer of TensorFlow.js; frozen with its version 4.22. */
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
 * Runs all steps of GRU and LSTM layers, and of their gradients, in one kernel each instead of dozens a step. Layers
 * with masks, states that are handed in or out, dropout in use or other activations go the old way.
 */
export function overrideRecurrentLayers(): void {
  const sample = { units: 1, name: SAMPLE_NAME };
  overrideLayer('gru', tf.layers.gru(sample), {
    forward: 'NeuralDiffGru',
    backward: 'NeuralDiffGruGradient',
  });
  overrideLayer('lstm', tf.layers.lstm(sample), {
    forward: 'NeuralDiffLstm',
    backward: 'NeuralDiffLstmGradient',
  });
}

function overrideLayer(kind: Kind, layer: tf.layers.Layer, kernels: Kernels): void {
  registerOwnKernel(kernels.forward, (call: Forward, simd) => recurrentForward(kind, call, simd));
  registerOwnKernel(kernels.backward, (call: Backward, simd) => recurrentBackward(kind, call, simd));
  const attempt = (self: RecurrentLayer, inputs: tf.Tensor | tf.Tensor[], options: CallOptions | null) =>
    runLayer(self, { inputs, options, kernels });
  overrideMethod(Object.getPrototypeOf(layer), 'call', attempt);
}

interface Kernels {
  readonly forward: OwnKernel;
  readonly backward: OwnKernel;
}

function runLayer(
  layer: RecurrentLayer,
  call: { inputs: tf.Tensor | tf.Tensor[]; options: CallOptions | null; kernels: Kernels },
): tf.Tensor | undefined {
  const x = onlyTensor(call.inputs);
  if (x === undefined || !isSupported(layer, x, call.options ?? {})) return undefined;
  return tf.tidy(() => {
    const sequence = layer.goBackwards ? tf.reverse(x, 1) : x;
    const hidden = runSteps(sequence, layer, call.kernels);
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

function runSteps(sequence: tf.Tensor, layer: RecurrentLayer, kernels: Kernels): tf.Tensor {
  const { cell } = layer;
  const attrs = { isHard: cell.recurrentActivation.getClassName() === 'hardSigmoid' };
  const weights = [sequence, cell.kernel.read(), cell.recurrentKernel.read()];
  if (cell.bias) weights.push(cell.bias.read());
  const name = ([x, kernel, recurrent, bias]: tf.Tensor[]) =>
    ({ x, kernel, recurrent, ...(bias && { bias }) }) as Record<string, tf.Tensor>;
  return tf.customGrad((...given: unknown[]) => {
    const save = given.pop() as tf.GradSaveFunc;
    const inputs = given as tf.Tensor[];
    const [hidden, gates, cells] = runOwnKernel(kernels.forward, name(inputs), attrs) as [
      tf.Tensor,
      tf.Tensor,
      tf.Tensor?,
    ];
    save([hidden, gates, ...(cells ? [cells] : []), ...inputs]);
    const gradFunc = (dHidden: tf.Tensor, saved: tf.Tensor[]) => {
      const [savedHidden, savedGates] = saved as [tf.Tensor, tf.Tensor];
      const states = {
        hidden: savedHidden,
        gates: savedGates,
        ...(cells && { cells: saved[2] as tf.Tensor }),
      };
      const savedInputs = saved.slice(cells ? 3 : 2);
      return runOwnKernel(kernels.backward, { ...name(savedInputs), ...states, dHidden }, attrs);
    };
    return { value: hidden, gradFunc };
  })(...weights);
}
