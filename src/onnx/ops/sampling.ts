import * as tf from '@tensorflow/tfjs';
import { countTo } from './arguments.js';

/** How elements of a resized axis are computed, in the words of ONNX. */
export interface Sampling {
  /** `nearest`, `linear` or `cubic`. */
  readonly mode: string;
  /** Where an element of the result lies in the input. */
  readonly coordinates: string;
  /** Which element is the nearest one. */
  readonly rounding: string;
  /** The coefficient of the cubic polynomials. */
  readonly cubic: number;
  /** Whether elements outside have no weight, rather than that of the one at the edge. */
  readonly excludesOutside: boolean;
}

/** An axis: its sizes before and after, and the scale. */
export interface Along {
  readonly before: number;
  readonly size: number;
  readonly scale: number;
}

/** @returns for each element of the result, where it lies in the input */
function coordinatesOf({ before, size, scale }: Along, { coordinates }: Sampling): number[] {
  const places: Readonly<Record<string, (i: number) => number>> = {
    half_pixel: (i) => (i + 0.5) / scale - 0.5,
    half_pixel_symmetric: (i) => {
      const adjustment = size / (scale * before);
      return (before / 2) * (1 - adjustment) + (i + 0.5) / scale - 0.5;
    },
    pytorch_half_pixel: (i) => (size > 1 ? (i + 0.5) / scale - 0.5 : 0),
    align_corners: (i) => (size > 1 ? (i * (before - 1)) / (size - 1) : 0),
    asymmetric: (i) => i / scale,
    tf_half_pixel_for_nn: (i) => (i + 0.5) / scale,
  };
  const place = places[coordinates];
  if (!place) throw new Error(`expected another way to place coordinates than "${coordinates}"`);
  return countTo(size).map(place);
}

const ROUNDINGS: Readonly<Record<string, (x: number) => number>> = {
  round_prefer_floor: (x) => Math.ceil(x - 0.5),
  round_prefer_ceil: (x) => Math.floor(x + 0.5),
  floor: Math.floor,
  ceil: Math.ceil,
};

/** @returns for each element of the result, the index of the nearest one of the input */
export function nearestPlaces(along: Along, sampling: Sampling): number[] {
  const round = ROUNDINGS[sampling.rounding];
  if (!round) throw new Error(`expected a known rounding, got "${sampling.rounding}"`);
  return coordinatesOf(along, sampling).map((at) => clip(round(at), along.before));
}

function clip(index: number, size: number): number {
  return Math.min(Math.max(index, 0), size - 1);
}

/** Weights of elements by their distance; elements further away than `reach` have none. */
interface Kernel {
  readonly reach: number;
  weight(distance: number): number;
}

function kernelOf({ mode, cubic: a }: Sampling): Kernel {
  if (mode === 'linear') return { reach: 1, weight: (d) => 1 - d };
  if (mode === 'cubic')
    return {
      reach: 2,
      weight: (d) =>
        d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : ((a * d - 5 * a) * d + 8 * a) * d - 4 * a,
    };
  throw new Error(`expected nearest, linear or cubic, got "${mode}"`);
}

/**
 * Source: R. Keys, "Cubic convolution interpolation for digital image processing", 1981.
 *
 * @returns [before, size]: in each column, the weights of elements in one of the result
 */
export function interpolationOf(along: Along, sampling: Sampling): tf.Tensor2D {
  const { before, size } = along;
  const { reach, weight } = kernelOf(sampling);
  const weights = new Float32Array(before * size);
  for (const [column, at] of coordinatesOf(along, sampling).entries()) {
    const first = Math.floor(at) - reach + 1;
    const near = countTo(2 * reach).map((i) => {
      const index = first + i;
      const isOutside = index < 0 || index >= before;
      const value = sampling.excludesOutside && isOutside ? 0 : weight(Math.abs(at - index));
      return { index: clip(index, before), value };
    });
    const total = sampling.excludesOutside ? near.reduce((sum, { value }) => sum + value, 0) : 1;
    for (const { index, value } of near) {
      const place = index * size + column;
      weights[place] = (weights[place] as number) + value / total;
    }
  }
  return tf.tensor2d(weights, [before, size]);
}
