import * as tf from '@tensorflow/tfjs';
import { allocateFloats, type KernelCall, type WasmBackend } from '../backend.js';
import { type OwnKernel, registerOwnKernel, runOwnKernel } from '../own-kernels.js';
import type { Simd } from '../simd/module.js';
import { onlyTensor, overrideMethod, SAMPLE_NAME } from './override.js';

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

/** Attributes of the kernel in addition to its tensors. */
interface RecurrentAttrs {
  /** Whether the gates use the piecewise linear sigmoid. */
  readonly isHard: boolean;
}

/** Which recurrent layer. */
type Kind = 'gru' | 'lstm';

const GATES = { gru: 3, lstm: 4 } as const;

/** Inputs [batch, steps, inputs], weights in the layout of TensorFlow.js, and an optional bias. */
type Weights = 'x' | 'kernel' | 'recurrent';
type Forward = KernelCall<Weights, RecurrentAttrs> & {
  readonly inputs: { readonly bias?: tf.TensorInfo };
};
type Backward = KernelCall<Weights | 'hidden' | 'gates' | 'dHidden', RecurrentAttrs> & {
  readonly inputs: { readonly bias?: tf.TensorInfo; readonly cells?: tf.TensorInfo };
};

interface Sizes {
  readonly batch: number;
  readonly steps: number;
  readonly inputs: number;
  readonly units: number;
}

function sizesOf({ x, recurrent }: Record<'x' | 'recurrent', tf.TensorInfo>): Sizes {
  const [batch, steps, inputs] = x.shape as [number, number, number];
  return { batch, steps, inputs, units: recurrent.shape[0] as number };
}

/**
 * Fields of the struct in `assembly/recurrence.ts`, in its order; addresses unless documented otherwise
 * there.
 */
const FIELDS = `batch steps inputs units isHard x kernel recurrent bias first hidden firstCell cells gates
  dHidden dx dKernel dRecurrent dBias dFirst dFirstCell dGates temporary scratch`.split(/\s+/);

const STRUCT_BYTES = 128;

/** Lays out scratch memory: the struct, space for products, then named arrays of floats. */
function layOutScratch(simd: Simd, floats: Record<string, number>) {
  let bytes = STRUCT_BYTES + simd.productBytes;
  const offsets = Object.entries(floats).map(([name, count]) => {
    const offset = bytes;
    bytes += Math.ceil(count / 4) * 16;
    return [name, offset] as const;
  });
  const start = simd.borrowScratch(bytes);
  const addresses = Object.fromEntries(offsets.map(([name, offset]) => [name, start + offset]));
  return {
    addresses: { ...addresses, scratch: start + STRUCT_BYTES },
    write: (fields: Record<string, number>) =>
      simd.borrowStruct(
        bytes,
        FIELDS.map((name) => fields[name] ?? 0),
      ),
  };
}

function zeroState(backend: WasmBackend, { batch, units }: Sizes): tf.TensorInfo {
  const state = allocateFloats(backend, [batch, units]);
  backend.typedArrayFromHeap(state).fill(0);
  return state;
}

/** @returns hidden states after every step, gate activations, and for an LSTM the cell states */
function recurrentForward(kind: Kind, { inputs, backend, attrs }: Forward, simd: Simd): tf.TensorInfo[] {
  const sizes = sizesOf(inputs);
  const { batch, steps, units } = sizes;
  const hidden = allocateFloats(backend, [batch, steps, units]);
  const gates = allocateFloats(backend, [batch, steps, GATES[kind] * units]);
  const cells = kind === 'lstm' ? [allocateFloats(backend, [batch, steps, units])] : [];
  const first = zeroState(backend, sizes);
  const { addresses, write } = layOutScratch(simd, { temporary: batch * units });
  const struct = write({
    ...sizes,
    ...addresses,
    ...addressesOf(simd, { ...inputs, hidden, gates, first, cells: cells[0], firstCell: first }),
    isHard: Number(attrs.isHard),
  });
  simd.run[`${kind}Forward`](struct);
  backend.disposeData(first.dataId);
  return [hidden, gates, ...cells];
}

/** @returns gradients with respect to inputs, input weights, recurrent weights and the bias, if any */
function recurrentBackward(kind: Kind, { inputs, backend, attrs }: Backward, simd: Simd): tf.TensorInfo[] {
  const sizes = sizesOf(inputs);
  const { batch, steps, units } = sizes;
  const dx = allocateFloats(backend, inputs.x.shape);
  const dKernel = allocateFloats(backend, inputs.kernel.shape);
  const dRecurrent = allocateFloats(backend, inputs.recurrent.shape);
  const dBias = inputs.bias && allocateFloats(backend, inputs.bias.shape);
  const first = zeroState(backend, sizes);
  const state = batch * units;
  const { addresses, write } = layOutScratch(simd, {
    dFirst: state,
    dFirstCell: state,
    dGates: steps * GATES[kind] * state,
    temporary: (2 * steps + 1) * state,
  });
  const outputs = { dx, dKernel, dRecurrent, dBias };
  const struct = write({
    ...sizes,
    ...addresses,
    ...addressesOf(simd, { ...inputs, ...outputs, first, firstCell: first }),
    isHard: Number(attrs.isHard),
  });
  simd.run[`${kind}Backward`](struct);
  backend.disposeData(first.dataId);
  return [dx, dKernel, dRecurrent, ...(dBias ? [dBias] : [])];
}

function addressesOf(
  simd: Simd,
  tensors: Readonly<Record<string, tf.TensorInfo | undefined>>,
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => [name, tensor ? simd.pointer(tensor) : 0]),
  );
}
