import { floatsOf, HALVES } from '../model/float16.js';
import { channelsOf, type GridName, INTEGER_GRIDS, type IntegerGrid } from '../model/grids.js';
import type { Quantization } from '../model/store.js';
import type { Tensor } from '../model/tensor.js';
import { weightsOfModel } from './session.js';
import type { DeviceModel } from './task.js';

/**
 * Stores a model as a device has it. Integers of 4 bits are in bytes of their own.
 *
 * @param model float32 tensors, or others without a grid
 * @param gridOf a grid for each tensor; undefined for one that stays as it is
 */
export function storeOnGrids(
  { tensors }: Pick<DeviceModel, 'tensors'>,
  gridOf: (tensor: Tensor) => GridName | undefined,
): DeviceModel {
  const quantization = new Map<string, Quantization>();
  const stored = tensors.map((tensor) => {
    const grid = gridOf(tensor);
    if (grid === undefined || grid === 'float32') return tensor;
    const integers = INTEGER_GRIDS[grid];
    if (integers === undefined) return narrowed(tensor, grid as keyof typeof HALVES);
    const scale = scalesOf(tensor, integers);
    quantization.set(tensor.name, { scale: scale.length === 1 ? (scale[0] as number) : scale });
    return quantised(tensor, { scale, largest: integers.largest });
  });
  return { tensors: stored, quantization };
}

/** @returns the weights that a device has of a float32 tensor on a grid */
export function roundToGrid(tensor: Tensor, grid: GridName): Float32Array {
  const { tensors, quantization } = storeOnGrids({ tensors: [tensor] }, () => grid);
  return weightsOfModel({ tensors }, new Set([tensor.name]), quantization).get(tensor.name) as Float32Array;
}

function narrowed(tensor: Tensor, dtype: keyof typeof HALVES): Tensor {
  const { narrow } = HALVES[dtype];
  const values = floatsOf(tensor);
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) bits[i] = narrow(values[i] as number);
  return { ...tensor, dtype, bytes: new Uint8Array(bits.buffer) };
}

/** Smallest scale: keeps that of a channel of zeros a normal float32. */
const MIN_SCALE = 2 ** -30;

function scalesOf(tensor: Tensor, grid: IntegerGrid): Float32Array {
  const values = floatsOf(tensor);
  const scales = new Float32Array(channelsOf(tensor, grid)).fill(MIN_SCALE);
  const channels = scales.length;
  for (let i = 0; i < values.length; i++) {
    const needed = Math.abs(values[i] as number) / grid.largest;
    if (needed > (scales[i % channels] as number)) scales[i % channels] = needed;
  }
  return scales;
}

/** Rounds to the nearest integer. */
function quantised(
  tensor: Tensor,
  { scale, largest }: { readonly scale: Float32Array; readonly largest: number },
): Tensor {
  const values = floatsOf(tensor);
  const integers = new Int8Array(values.length);
  for (let i = 0; i < integers.length; i++) {
    const level = Math.round((values[i] as number) / (scale[i % scale.length] as number));
    integers[i] = Math.max(-largest, Math.min(largest, level));
  }
  return { ...tensor, dtype: 'int8', bytes: new Uint8Array(integers.buffer) };
}
