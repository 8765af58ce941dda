import type { Buckets } from '../payload/index.js';
import { nthLargest } from '../train/index.js';

/** How bucket values are stored: as they are, as -1, 0 or 1, or as -1 or 1. */
export type BucketCoding = 'float' | 'ternary' | 'sign';

/** Buckets as a payload has them, and the number that all are multiplied with. */
export interface QuantisedBuckets {
  readonly buckets: Buckets;
  /** A positive number; 1 for float buckets. */
  readonly scale: number;
}

/**
 * Quantises bucket values; training passes the gradient straight through.
 *
 * Source: F. Li, B. Liu, "Ternary Weight Networks", 2016, for the scale of ternary values; M. Rastegari et al.,
 * "XNOR-Net", 2016, for that of signs.
 *
 * @param values the free values
 * @param coding how to quantise them
 * @param zeros share of the values that become 0, the smallest ones, whatever the coding: 0 to 1
 */
export function quantiseBuckets(values: Float32Array, coding: BucketCoding, zeros: number): QuantisedBuckets {
  // Plain loops: `map` costs a hundred times as much an element, and this is in every step.
  const magnitudes = new Float32Array(values.length);
  for (let i = 0; i < magnitudes.length; i++) magnitudes[i] = Math.abs(values[i] as number);
  const kept = Math.round((1 - zeros) * values.length);
  const least = kept === 0 ? Number.POSITIVE_INFINITY : nthLargest([magnitudes], kept);
  if (coding === 'float') {
    const large = values.slice();
    for (let i = 0; i < large.length; i++) if ((magnitudes[i] as number) < least) large[i] = 0;
    return { buckets: { coding, values: large }, scale: 1 };
  }
  let sum = 0;
  let count = 0;
  const levels = new Int8Array(values.length);
  for (let i = 0; i < levels.length; i++) {
    const magnitude = magnitudes[i] as number;
    if (magnitude < least) continue;
    levels[i] = (values[i] as number) < 0 ? -1 : 1;
    sum += magnitude;
    count++;
  }
  return { buckets: { coding: 'levels', values: levels }, scale: count === 0 ? 1 : sum / count };
}

/** @returns the bits that a bucket takes after entropy coding */
export function bitsPerBucket(coding: BucketCoding, zeros: number): number {
  if (coding === 'float') return 32;
  if (zeros <= 0 || zeros >= 1) return 1;
  return 1 - zeros - zeros * Math.log2(zeros) - (1 - zeros) * Math.log2(1 - zeros);
}
