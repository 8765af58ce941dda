import type { Buckets } from '../payload/index.js';
import { asScale } from '../train/index.js';

/** How bucket values are stored: as they are, as -1, 0 or 1, or as -1 or 1. */
export type BucketCoding = Buckets['coding'];

/** Buckets as a payload has them, and the number that all are multiplied with. */
export interface QuantisedBuckets {
  readonly buckets: Buckets;
  /** A positive float32; 1 for float buckets. */
  readonly scale: number;
}

/** Share of the mean magnitude below which a ternary bucket becomes 0. */
const TERNARY_THRESHOLD = 0.7;

/**
 * Quantises bucket values; training passes the gradient straight through.
 *
 * Source: F. Li, B. Liu, "Ternary Weight Networks", 2016, for the threshold and the scale of ternary values;
 * M. Rastegari et al., "XNOR-Net", 2016, for the scale of signs.
 *
 * @param values the free values
 * @param coding how to quantise them
 */
export function quantiseBuckets(values: Float32Array, coding: BucketCoding): QuantisedBuckets {
  if (coding === 'float') return { buckets: { coding, values: values.slice() }, scale: 1 };
  const mean = meanMagnitude(values, 0);
  if (coding === 'sign') {
    return { buckets: { coding, values: signsBeyond(values, -1) }, scale: asScale(mean) };
  }
  const threshold = TERNARY_THRESHOLD * mean;
  const scale = asScale(meanMagnitude(values, threshold));
  return { buckets: { coding, values: signsBeyond(values, threshold) }, scale };
}

/** @returns -1 or 1 where a magnitude is above a threshold (1 for zeros, with a threshold below them), else 0 */
function signsBeyond(values: Float32Array, threshold: number): Int8Array {
  const signs = new Int8Array(values.length);
  for (let i = 0; i < signs.length; i++) {
    const value = values[i] as number;
    if (Math.abs(value) > threshold) signs[i] = value < 0 ? -1 : 1;
  }
  return signs;
}

/** @returns the mean of the magnitudes above a threshold; 0 where there are none */
function meanMagnitude(values: Float32Array, threshold: number): number {
  let sum = 0;
  let count = 0;
  for (let i = 0; i < values.length; i++) {
    const magnitude = Math.abs(values[i] as number);
    if (magnitude < threshold || (threshold > 0 && magnitude === threshold)) continue;
    sum += magnitude;
    count++;
  }
  return count === 0 ? 0 : sum / count;
}
