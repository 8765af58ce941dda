import { equalBytes } from '../model/bytes.js';
import { isFloat } from '../model/float16.js';
import type { Quantization } from '../model/store.js';
import type { Tensor, TensorInfo } from '../model/tensor.js';
import { type Values, valuesOf } from './part.js';
import { type BaseWeights, borrowStored, INTEGER_RANGES, scalesOf, weightsOfModel } from './session.js';
import type { DeviceModel } from './task.js';

/**
 * Replaces the base by the model that devices store.
 *
 * @param base the values of the task's variables; the device has a tensor of each name and shape
 * @param device float32, float16, bfloat16 tensors; int8 and uint8 ones with their quantisation; others as
 *   they are
 * @returns the device's tensors and the weights they represent
 * @throws TypeError for other names, shapes, dtypes or quantisations
 */
export function onDevice(base: BaseWeights, device: DeviceModel): BaseWeights {
  const { quantization = new Map() } = device;
  const stored = new Map(device.tensors.map((tensor) => [tensor.name, tensor]));
  for (const info of base.tensors) checkStored(info, stored.get(info.name), quantization);
  for (const [name, each] of quantization) checkQuantization(stored.get(name), each, name);
  const trainable = weightsOfModel(device, new Set(base.trainable.keys()), quantization);
  const same = base.model.tensors.filter(({ name, bytes }) => stored.get(name)?.bytes === bytes);
  const held = same.map(({ name }) => [name, valuesOf(base.held, name)] as const);
  return { model: device, tensors: device.tensors, trainable, quantization, held: new Map(held) };
}

function checkStored(
  info: TensorInfo,
  stored: Tensor | undefined,
  quantization: ReadonlyMap<string, Quantization>,
): void {
  const isSame = stored !== undefined && stored.shape.join() === info.shape.join();
  if (!isSame) throw mismatch(`tensor "${info.name}" of shape [${info.shape}]`);
  if (quantization.has(info.name)) return;
  if (!isFloat(stored.dtype) && stored.dtype !== info.dtype)
    throw mismatch(`tensor "${info.name}" to hold floats or to have a quantisation, got ${stored.dtype}`);
}

function checkQuantization(stored: Tensor | undefined, quantization: Quantization, name: string): void {
  const range = INTEGER_RANGES[stored?.dtype ?? ''];
  if (stored === undefined || range === undefined)
    throw mismatch(`quantised tensor "${name}" to be of int8 or uint8, got ${stored?.dtype ?? 'none'}`);
  const { scale, zeroPoint = 0, min = 0 } = quantization;
  if (!scalesOf(quantization).every((each) => each > 0 && Number.isFinite(each)))
    throw mismatch(`tensor "${name}" to have scales above 0, got ${scale}`);
  if (!Number.isFinite(min)) throw mismatch(`tensor "${name}" to have a finite min, got ${min}`);
  const channels = stored.shape.at(-1) ?? 1;
  if (typeof scale !== 'number' && scale.length !== channels)
    throw mismatch(`tensor "${name}" to have one scale or ${channels}, got ${scale.length}`);
  if (!(Number.isInteger(zeroPoint) && zeroPoint >= range[0] && zeroPoint <= range[1]))
    throw mismatch(`tensor "${name}" to have a zero point from ${range[0]} to ${range[1]}, got ${zeroPoint}`);
}

function mismatch(expected: string): TypeError {
  return new TypeError(`Cannot train for the device's model: expected ${expected}`);
}

/** Lets a base use the device's bytes where they are the same, so that they are in memory once. */
export function shareBytes(base: BaseWeights, device: DeviceModel): BaseWeights {
  const stored = new Map(device.tensors.map((tensor) => [tensor.name, tensor]));
  const tensors = base.model.tensors.map((tensor) => {
    const other = stored.get(tensor.name);
    const isSame = other?.dtype === tensor.dtype && equalBytes(tensor.bytes, other.bytes);
    return isSame ? { ...tensor, bytes: other.bytes } : tensor;
  });
  const model = { tensors };
  return { ...base, model, trainable: weightsOfModel(model, new Set(base.trainable.keys())) };
}

/** @returns the base's trainable tensors as the numbers that the device stores */
export function storedBase(base: BaseWeights): Values {
  if (base.quantization.size === 0) return base.trainable;
  const stored = base.model.tensors.filter(({ name }) => base.trainable.has(name));
  return new Map(stored.map((tensor) => [tensor.name, borrowStored(tensor)]));
}
