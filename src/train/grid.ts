import * as tf from '@tensorflow/tfjs';
import { HALVES } from '../model/float16.js';
import type { Quantization } from '../model/store.js';
import type { TensorInfo } from '../model/tensor.js';
import { isWebgpu } from '../tfjs/memory.js';
import { readFloatsSync } from './part.js';
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
      if (isWebgpu()) return round.live(stored);
      const values = readFloatsSync(stored);
      for (let i = 0; i < values.length; i++) values[i] = round.number(values[i] as number);
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

/** Rounds numbers to those of a dtype. */
interface Rounder {
  number(value: number): number;
  /** The same on the backend, but for numbers half-way between two and those beyond the largest. */
  live(stored: tf.Tensor): tf.Tensor;
}

/** Sums of integers saturate at the ends of their range, as on devices. */
function rounderOf({ name, dtype }: TensorInfo): [string, Rounder][] {
  if (dtype in HALVES) {
    const { narrow, widen } = HALVES[dtype as keyof typeof HALVES];
    const [factor, step] = HALF_GRIDS[dtype as keyof typeof HALVES];
    return [[name, { number: (value) => widen(narrow(value)), live: (x) => roundToHalf(x, factor, step) }]];
  }
  const range = INTEGER_RANGES[dtype];
  if (range === undefined) return [];
  const number = (value: number) => Math.min(range[1], Math.max(range[0], Math.round(value)));
  return [[name, { number, live: (x) => tf.clipByValue(tf.round(x), range[0], range[1]) }]];
}

/**
 * By dtype, 2^s + 1 for the s bits that a fraction has less than that of float32, and the distance between
 * denormal numbers, 0 where those of float32 are the same.
 */
const HALF_GRIDS = { float16: [2 ** 13 + 1, 2 ** -24], bfloat16: [2 ** 16 + 1, 0] } as const;

/**
 * Rounds with float32 operations that are exact or correctly rounded.
 *
 * Source: T. J. Dekker, "A Floating-Point Technique for Extending the Available Precision", 1971.
 */
function roundToHalf(x: tf.Tensor, factor: number, step: number): tf.Tensor {
  const scaled = tf.mul(x, factor);
  const normal = tf.sub(scaled, tf.sub(scaled, x));
  if (step === 0) return normal;
  const denormal = tf.mul(tf.round(tf.mul(x, 1 / step)), step);
  return tf.where(tf.less(tf.abs(x), step * 2 ** 10), denormal, normal);
}

function scaleTensor(quantization: Quantization): tf.Tensor {
  return tf.tensor1d(scalesOf(quantization));
}
