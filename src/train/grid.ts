import * as tf from '@tensorflow/tfjs';
import { DTYPES, HALVES, type Model, type Tensor, type TensorInfo } from '../model/index.js';
import { type BaseWeights, valuesOfModel } from './session.js';
import { readFloats } from './variables.js';

/** Rounds a tensor's weights to what the device stores. */
export type Grid = (name: string, weights: tf.Tensor) => tf.Tensor;

/**
 * Takes the base from the model that devices store, where that is narrower than what is trained.
 *
 * @param base what the task's variables hold: names and shapes must agree
 * @param device float32, float16 or bfloat16 tensors
 * @returns the base with the device's tensors and their values, widened exactly
 * @throws TypeError for other names, shapes or dtypes
 */
export function onDevice(base: BaseWeights, device: Model): BaseWeights {
  const stored = new Map(device.tensors.map((tensor) => [tensor.name, tensor]));
  if (stored.size !== base.tensors.length)
    throw mismatch(`${base.tensors.length} tensors, got ${stored.size}`);
  for (const info of base.tensors) checkStored(info, stored.get(info.name));
  const trainable = valuesOfModel(device, new Set(base.trainable.keys()));
  return { model: device, tensors: device.tensors, trainable };
}

function checkStored(info: TensorInfo, stored: Tensor | undefined): void {
  const isSame = stored !== undefined && stored.shape.join() === info.shape.join();
  if (!isSame) throw mismatch(`tensor "${info.name}" of shape [${info.shape}]`);
  const isFloat = DTYPES[stored.dtype].kind === 'float';
  if (!isFloat && stored.dtype !== info.dtype)
    throw mismatch(`tensor "${info.name}" to hold floats, got ${stored.dtype}`);
}

function mismatch(expected: string): TypeError {
  return new TypeError(`Cannot train for the device's model: expected ${expected}`);
}

/** @returns the rounding of the tensors that a device stores in halves; undefined when it stores none */
export function gridOf(tensors: readonly TensorInfo[]): Grid | undefined {
  const dtypes = new Map(tensors.map(({ name, dtype }) => [name, dtype]));
  if (tensors.every(({ dtype }) => !(dtype in HALVES))) return undefined;
  return (name, weights) => {
    const half = HALVES[dtypes.get(name) as keyof typeof HALVES];
    if (half === undefined) return weights;
    const values = readFloats(weights);
    for (let i = 0; i < values.length; i++) values[i] = half.widen(half.narrow(values[i] as number));
    return tf.tensor(values, weights.shape);
  };
}
