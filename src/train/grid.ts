import * as tf from '@tensorflow/tfjs';
import { HALVES } from '../model/float16.js';
import type { Quantization } from '../model/store.js';
import type { TensorInfo } from '../model/tensor.js';
import { readFloats } from './part.js';
import { type BaseWeights, INTEGER_RANGES, scalesOf } from './session.js';

/** Converts between the numbers that a device stores and the weights they represent. */
export interface Grid {
  /** @returns a tensor's numbers rounded to those the device can store */
  round(name: string, stored: tf.Tensor): tf.Tensor;
  /** @returns the weights that stored numbers represent */
  weights(name: string, stored: tf.Tensor): tf.Tensor;
  /** @returns the gradient with respect to the stored numbers, given that with respect to the weights */
  pullBack(name: string, gradient: tf.Tensor): tf.Tensor;
}

/** @returns the grid of the base's trained tensors; undefined if all are float32 */
export function gridOf({ tensors, trainable, quantization }: BaseWeights): Grid | undefined {
  const trained = tensors.filter(({ name }) => trainable.has(name));
  const rounders = new Map(trained.flatMap((info) => rounderOf(info)));
  if (rounders.size === 0) return undefined;
  return {
    round(name, stored) {
      const round = rounders.get(name);
      if (round === undefined) return stored;
      const values = readFloats(stored);
      for (let i = 0; i < values.length; i++) values[i] = round(values[i] as number);
      return tf.tensor(values, stored.shape);
    },
    weights(name, stored) {
      const quantised = quantization.get(name);
      if (quantised === undefined) return stored;
      const scaled = tf.mul(tf.sub(stored, quantised.zeroPoint ?? 0), scaleTensor(quantised));
      return tf.add(scaled, quantised.min ?? 0);
    },
    pullBack(name, gradient) {
      const quantised = quantization.get(name);
      return quantised ? tf.mul(gradient, scaleTensor(quantised)) : gradient;
    },
  };
}

/** Sums of integers saturate at the ends of their range, as on devices. */
function rounderOf({ name, dtype }: TensorInfo): [string, (value: number) => number][] {
  if (dtype in HALVES) {
    const { narrow, widen } = HALVES[dtype as keyof typeof HALVES];
    return [[name, (value) => widen(narrow(value))]];
  }
  const range = INTEGER_RANGES[dtype];
  return range ? [[name, (value) => Math.min(range[1], Math.max(range[0], Math.round(value)))]] : [];
}

function scaleTensor(quantization: Quantization): tf.Tensor {
  return tf.tensor1d(scalesOf(quantization));
}
