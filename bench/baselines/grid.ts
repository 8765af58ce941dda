import { elementCount, type TensorInfo } from '../../src/model/tensor.js';
import { asScale } from '../../src/train/quantise.js';
import { type Cost, valueBits } from './entropy.js';

/** A uniform symmetric grid; the weight at index `i` belongs to channel `i % scales.length`. */
export interface Grid {
  readonly scales: Float32Array;
  /** Largest level. */
  readonly most: number;
}

/** Values on a grid. */
export interface Rounded {
  readonly levels: Int16Array;
  readonly values: Float32Array;
  readonly cost: Cost;
}

/** Steps that are tried between the one that clips nothing and next to none of it. */
const TRIED_STEPS = 48;

/** Channels of fewer weights share one scale: it would cost more than it helps. */
const LEAST_CHANNEL = 32;

/**
 * @returns how many channels with a scale of their own a tensor has: its outputs, those of depthwise kernels
 * its inputs
 */
export function channelsOf(info: TensorInfo): number {
  const [inputs = 1, outputs = 1] = info.shape.slice(-2);
  const channels = outputs > 1 ? outputs : inputs;
  return elementCount(info) < LEAST_CHANNEL * channels ? 1 : channels;
}

/**
 * Finds the grid with the least squared error, channel by channel.
 *
 * Source: R. Krishnamoorthi, "Quantizing deep convolutional networks for efficient inference", 2018, for a
 * scale a channel; R. Banner et al., "Post training 4-bit quantization of convolutional networks", 2019, for
 * clipping.
 *
 * @param values weights, or changes of weights
 * @param settings bits a level, 2 or more; channels with a scale each
 */
export function fitGrid(values: Float32Array, settings: { bits: number; channels: number }): Grid {
  const most = 2 ** (settings.bits - 1) - 1;
  const scales = new Float32Array(settings.channels);
  for (let channel = 0; channel < scales.length; channel++) {
    const own = values.filter((_, i) => i % scales.length === channel);
    scales[channel] = bestStep(own, most);
  }
  return { scales, most };
}

function bestStep(values: Float32Array, most: number): number {
  const widest = values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0) / most;
  let best = asScale(widest);
  let least = Number.POSITIVE_INFINITY;
  for (let tried = TRIED_STEPS; tried > 0; tried--) {
    const step = asScale((widest * tried) / TRIED_STEPS);
    const error = squaredError(values, step, most);
    if (error < least) [best, least] = [step, error];
  }
  return best;
}

function squaredError(values: Float32Array, step: number, most: number): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    sum += (value - step * levelOf(value / step, most)) ** 2;
  }
  return sum;
}

function levelOf(value: number, most: number): number {
  return Math.max(-most, Math.min(most, Math.round(value)));
}

/** Rounds values to a grid. */
export function roundToGrid(values: Float32Array, { scales, most }: Grid): Rounded {
  const levels = new Int16Array(values.length);
  const rounded = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const scale = scales[i % scales.length] as number;
    levels[i] = levelOf((values[i] as number) / scale, most);
    rounded[i] = (levels[i] as number) * scale;
  }
  return { levels, values: rounded, cost: { bits: valueBits(levels), scales: scales.length } };
}
