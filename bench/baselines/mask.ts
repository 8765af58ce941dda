import type { Positions } from '../../src/sparse-diff/mask.js';
import { positionsAbove, thresholds } from '../../src/sparse-diff/saliency.js';
import { largestThatFits } from '../../src/train/layout.js';
import { type Values, valuesOf } from '../../src/train/part.js';
import { positionBits } from './entropy.js';

/** Densities that are tried, on a cubic scale: budgets of interest lie at its small end. */
const DENSITY_STEPS = 2 ** 16;

/** @returns the most salient share of all weights together */
export function mostSalient(saliency: Values, density: number): Positions {
  return positionsAbove(saliency, thresholds(saliency, density, 'global'));
}

/**
 * Finds the largest mask of the most salient weights that fits.
 *
 * @param saliency by tensor, none negative; weights of saliency 0 never belong to a mask
 * @param fits whether a mask can be paid for
 * @returns undefined when none can
 */
export function largestMask(
  saliency: Values,
  fits: (positions: Positions) => boolean,
): Positions | undefined {
  const choose = (step: number): Positions =>
    step === 0 ? new Map() : mostSalient(saliency, (step / DENSITY_STEPS) ** 3);
  const step = largestThatFits(DENSITY_STEPS, (tried) => fits(choose(tried)));
  const positions = step < 1 ? undefined : choose(step);
  return positions && countOf(positions) > 0 ? positions : undefined;
}

/** @returns how many weights a mask has */
export function countOf(positions: Positions): number {
  return Array.from(positions.values()).reduce((sum, places) => sum + places.length, 0);
}

/** @returns bits of a mask's positions, each tensor at a density of its own */
export function maskBits(positions: Positions, values: Values): number {
  let bits = 0;
  for (const [name, places] of positions) bits += positionBits(places.length, valuesOf(values, name).length);
  return bits;
}

/** @returns an array of zeros, but for some values at some places */
export function scatter(values: Float32Array, places: Uint32Array, length: number): Float32Array {
  const all = new Float32Array(length);
  for (let i = 0; i < places.length; i++) all[places[i] as number] = values[i] as number;
  return all;
}
