import * as tf from '@tensorflow/tfjs';
import { allocateFloats, borrowFloats, type KernelCall, type WasmBackend } from '../backend.js';
import { type OwnKernel, registerOwnKernel, runOwnKernel } from '../own-kernels.js';
import type { Simd } from '../simd/module.js';

/**
 * Which cell: a GRU that resets its state before the product with the recurrent weights, one that resets the
 * product, or an LSTM.
 */
export type Kind = 'gru' | 'gruAfter' | 'lstm';

/**
 * Blocks of the weights of each cell: update, reset, candidate; update, reset, candidate from the inputs and
 * from the state, of which each has zeros for the other; input, forget, candidate, output.
 */
const GATES = { gru: 3, gruAfter: 4, lstm: 4 } as const;

const KERNELS = {
  gru: { forward: 'NeuralDiffGru', backward: 'NeuralDiffGruGradient' },
  gruAfter: { forward: 'NeuralDiffGruAfter', backward: 'NeuralDiffGruAfterGradient' },
  lstm: { forward: 'NeuralDiffLstm', backward: 'NeuralDiffLstmGradient' },
} as const satisfies Record<Kind, Record<'forward' | 'backward', OwnKernel>>;

/** What a cell runs over, and its weights; blocks of gates are side by side. */
interface Sequence {
  /** [batch, steps, inputs]. */
  readonly x: tf.Tensor;
  /** [inputs, gates * units]. */
  readonly kernel: tf.Tensor;
  /** [units, gates * units]. */
  readonly recurrent: tf.Tensor;
  /** [gates * units]. */
  readonly bias?: tf.Tensor;
  /** Hidden state before the first step, [batch, units]; zeros by default. */
  readonly first?: tf.Tensor;
  /** Cell state before the first step, [batch, units]; zeros by default. LSTM alone. */
  readonly firstCell?: tf.Tensor;
}

/** Names of the tensors of a sequence, in the order of their gradients. */
const NAMES = ['x', 'kernel', 'recurrent', 'bias', 'first', 'firstCell'] as const;

/**
 * Runs all steps of a recurrent cell, and of its gradients, in one kernel each; needs the SIMD kernels.
 *
 * @param options whether gates use the piecewise linear sigmoid; whether the last cell state of an LSTM is
 *   wanted
 * @returns hidden states [batch, steps, units]; the last cell state [batch, units]
 */
export function runSequence(
  kind: Kind,
  sequence: Sequence,
  { isHard = false, wantsCell = false }: { isHard?: boolean; wantsCell?: boolean } = {},
): { hidden: tf.Tensor; cell?: tf.Tensor } {
  const names = NAMES.filter((name) => sequence[name]);
  const given = names.map((name) => sequence[name] as tf.Tensor);
  const [batch, steps] = sequence.x.shape as [number, number];
  const units = sequence.recurrent.shape[0] as number;
  const size = steps * units;
  const { forward, backward } = KERNELS[kind];
  const run = tf.customGrad((...args: unknown[]) => {
    const save = args.pop() as tf.GradSaveFunc;
    const states = runOwnKernel(forward, named(names, args as tf.Tensor[]), { isHard });
    const [hidden, _, cells] = states as [tf.Tensor, tf.Tensor, tf.Tensor?];
    save([...states, ...(args as tf.Tensor[])]);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => {
      const kept = named(['hidden', 'gates', ...(cells ? ['cells'] : []), ...names], saved);
      if (!wantsCell) return runOwnKernel(backward, { ...kept, dHidden: dy }, { isHard });
      const [dHidden, dCell] = tf.split(dy, [size, units], 1) as [tf.Tensor, tf.Tensor];
      return runOwnKernel(backward, { ...kept, dHidden, dCell }, { isHard });
    };
    if (!wantsCell || !cells) return { value: hidden, gradFunc };
    const last = tf.slice(cells, [0, steps - 1, 0], [batch, 1, units]);
    return {
      value: tf.concat([tf.reshape(hidden, [batch, size]), tf.reshape(last, [batch, units])], 1),
      gradFunc,
    };
  });
  const value = run(...given);
  if (!wantsCell) return { hidden: value };
  const [hidden, cell] = tf.split(value, [size, units], 1) as [tf.Tensor, tf.Tensor];
  return { hidden: tf.reshape(hidden, [batch, steps, units]), cell };
}

function named(names: readonly string[], tensors: readonly tf.Tensor[]): Record<string, tf.Tensor> {
  return Object.fromEntries(names.map((name, i) => [name, tensors[i] as tf.Tensor]));
}

/** Registers the kernels behind `runSequence`. */
export function registerSequenceKernels(): void {
  for (const kind of ['gru', 'gruAfter', 'lstm'] as const) {
    const { forward, backward } = KERNELS[kind];
    registerOwnKernel(forward, (call: Forward, simd) => recurrentForward(kind, call, simd));
    registerOwnKernel(backward, (call: Backward, simd) => recurrentBackward(kind, call, simd));
  }
}

/** Attributes of the kernel in addition to its tensors. */
interface RecurrentAttrs {
  /** Whether the gates use the piecewise linear sigmoid. */
  readonly isHard: boolean;
}

type Weights = 'x' | 'kernel' | 'recurrent';
type Optional = Partial<Readonly<Record<'bias' | 'first' | 'firstCell' | 'cells' | 'dCell', tf.TensorInfo>>>;
type Forward = KernelCall<Weights, RecurrentAttrs> & { readonly inputs: Optional };
type Backward = KernelCall<Weights | 'hidden' | 'gates' | 'dHidden', RecurrentAttrs> & {
  readonly inputs: Optional;
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
  const zeros = zeroState(backend, sizes);
  const { addresses, write } = layOutScratch(simd, { temporary: batch * units });
  const states = { first: zeros, firstCell: zeros, ...inputs };
  const struct = write({
    ...sizes,
    ...addresses,
    ...addressesOf(simd, { ...states, hidden, gates, cells: cells[0] }),
    isHard: Number(attrs.isHard),
  });
  simd.run[`${kind}Forward`](struct);
  backend.disposeData(zeros.dataId);
  return [hidden, gates, ...cells];
}

/** @returns gradients with respect to the tensors of the sequence, in the order of `NAMES` */
function recurrentBackward(kind: Kind, { inputs, backend, attrs }: Backward, simd: Simd): tf.TensorInfo[] {
  const sizes = sizesOf(inputs);
  const { batch, steps, units } = sizes;
  const like = (tensor: tf.TensorInfo | undefined) => tensor && allocateFloats(backend, tensor.shape);
  const zeros = zeroState(backend, sizes);
  const [dFirst, dFirstCell] = [zeroState(backend, sizes), zeroState(backend, sizes)];
  const [dx, dKernel, dRecurrent] = [like(inputs.x), like(inputs.kernel), like(inputs.recurrent)];
  const gradients = { dx, dKernel, dRecurrent, dBias: like(inputs.bias), dFirst, dFirstCell };
  const state = batch * units;
  const { addresses, write } = layOutScratch(simd, {
    dGates: steps * GATES[kind] * state,
    temporary: (2 * steps + 1) * state,
  });
  // The gradient of the last cell state goes back, step by step, to that of the first one.
  if (inputs.dCell) borrowFloats(backend, dFirstCell).set(borrowFloats(backend, inputs.dCell));
  const struct = write({
    ...sizes,
    ...addresses,
    ...addressesOf(simd, { first: zeros, firstCell: zeros, ...inputs, ...gradients }),
    isHard: Number(attrs.isHard),
  });
  simd.run[`${kind}Backward`](struct);
  const unused = [zeros, ...(inputs.first ? [] : [dFirst]), ...(inputs.firstCell ? [] : [dFirstCell])];
  for (const { dataId } of unused) backend.disposeData(dataId);
  return Object.values(gradients).filter(
    (gradient): gradient is tf.TensorInfo => gradient !== undefined && !unused.includes(gradient),
  );
}

function addressesOf(
  simd: Simd,
  tensors: Readonly<Record<string, tf.TensorInfo | undefined>>,
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => [name, tensor ? simd.pointer(tensor) : 0]),
  );
}
