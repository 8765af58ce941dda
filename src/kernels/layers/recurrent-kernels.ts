import type * as tf from '@tensorflow/tfjs';
import { allocateFloats, type KernelCall, type WasmBackend } from '../backend.js';
import type { Simd } from '../simd/module.js';

/** What the module is told beside the tensors. */
export interface RecurrentAttrs {
  /** Whether the gates' sigmoid is the piecewise linear one. */
  readonly isHard: boolean;
}

/** Which recurrent layer. */
export type Kind = 'gru' | 'lstm';

const GATES = { gru: 3, lstm: 4 } as const;

/** Inputs [batch, steps, inputs], weights as TensorFlow.js lays them out, and a bias or none. */
type Weights = 'x' | 'kernel' | 'recurrent';
export type Forward = KernelCall<Weights, RecurrentAttrs> & {
  readonly inputs: { readonly bias?: tf.TensorInfo };
};
export type Backward = KernelCall<Weights | 'hidden' | 'gates' | 'dHidden', RecurrentAttrs> & {
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

/** Fields of the struct in `assembly/recurrence.ts`, in its order; addresses unless said otherwise there. */
const FIELDS = `batch steps inputs units isHard x kernel recurrent bias first hidden firstCell cells gates
  dHidden dx dKernel dRecurrent dBias dFirst dFirstCell dGates temporary scratch`.split(/\s+/);

const STRUCT_BYTES = 128;

/** Lays out scratch: the struct, room for products, then named arrays of floats. */
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

/** @returns hidden states after every step, what the gates let through, and for an LSTM the cell states */
export function recurrentForward(
  kind: Kind,
  { inputs, backend, attrs }: Forward,
  simd: Simd,
): tf.TensorInfo[] {
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

/** @returns gradients by inputs, input weights, recurrent weights and, where there is one, the bias */
export function recurrentBackward(
  kind: Kind,
  { inputs, backend, attrs }: Backward,
  simd: Simd,
): tf.TensorInfo[] {
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
