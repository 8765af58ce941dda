import { NeuralDiffError } from '../model/index.js';
import { sparseOpBytes } from '../payload/encode.js';
import {
  type FineTuned,
  impossibleBudget,
  type Layout,
  largestThatFits,
  type Values,
  valuesOf,
} from '../train/index.js';
import type { Positions } from './mask.js';

/**
 * What makes a weight worth changing: `magnitude`, the size of its change; `fisher`, what the change does to the loss,
 * by the diagonal of the Fisher information times the squared change.
 */
export type Saliency = 'magnitude' | 'fisher';

/** Where saliencies compete: in the whole model, or within each tensor at equal density. */
export type Scope = 'global' | 'tensor';

/** @returns the saliency of every change */
export function saliencyOf(changes: Float32Array, fisher: Float32Array, kind: Saliency): Float32Array {
  const saliency = new Float32Array(changes.length);
  for (let i = 0; i < saliency.length; i++) {
    const change = changes[i] as number;
    saliency[i] = kind === 'magnitude' ? Math.abs(change) : (fisher[i] as number) * change * change;
  }
  return saliency;
}

/** @returns the saliency of what a full fine-tune changed, for the matrices of a layout */
export function fineTuneSaliency(full: FineTuned, layout: Layout, kind: Saliency): Values {
  const entries = layout.matrices.map(({ name }) => {
    return [name, saliencyOf(valuesOf(full.deltas, name), valuesOf(full.fisher, name), kind)] as const;
  });
  return new Map(entries);
}

/** @returns the least saliency, by tensor, that belongs to the top `share` of weights */
export function thresholds(saliency: Values, share: number, scope: Scope): Map<string, number> {
  const names = [...saliency.keys()];
  if (scope === 'tensor')
    return new Map(names.map((name) => [name, topThreshold([valuesOf(saliency, name)], share)]));
  const threshold = topThreshold([...saliency.values()], share);
  return new Map(names.map((name) => [name, threshold]));
}

function topThreshold(arrays: readonly Float32Array[], share: number): number {
  const count = arrays.reduce((sum, array) => sum + array.length, 0);
  return nthLargest(arrays, Math.min(count, Math.max(1, Math.round(share * count))));
}

/**
 * Finds the n-th largest of numbers that are not negative, in two passes and without sorting: their order is that of
 * their bits.
 *
 * @param arrays no value below 0, none that is not a number
 * @param rank from 1
 */
export function nthLargest(arrays: readonly Float32Array[], rank: number): number {
  const bits = arrays.map(({ buffer, byteOffset, length }) => new Uint32Array(buffer, byteOffset, length));
  const counts = new Uint32Array(2 ** 16);
  for (const words of bits) for (const word of words) counts[word >>> 16]! += 1;
  const high = digitOfRank(counts, rank);
  counts.fill(0);
  for (const words of bits) {
    for (const word of words) if (word >>> 16 === high.digit) counts[word & 0xffff]! += 1;
  }
  const low = digitOfRank(counts, high.left);
  return new Float32Array(Uint32Array.of(high.digit * 2 ** 16 + low.digit).buffer)[0] as number;
}

/** @returns the digit of the `rank`-th largest, and its rank among those with the same digit */
function digitOfRank(counts: Uint32Array, rank: number): { digit: number; left: number } {
  let digit = counts.length - 1;
  let left = rank;
  for (; left > (counts[digit] as number); digit--) left -= counts[digit] as number;
  return { digit, left };
}

/** @returns the positions whose saliency is at least their tensor's threshold, and above zero */
export function positionsAbove(saliency: Values, least: ReadonlyMap<string, number>): Positions {
  const positions = new Map<string, Uint32Array>();
  for (const [name, values] of saliency) {
    const threshold = least.get(name) as number;
    const kept: number[] = [];
    for (let i = 0; i < values.length; i++) {
      const value = values[i] as number;
      if (value > 0 && value >= threshold) kept.push(i);
    }
    if (kept.length > 0) positions.set(name, Uint32Array.from(kept));
  }
  return positions;
}

/** Finer steps of density than this change no file by a byte. */
const DENSITY_STEPS = 2 ** 16;

/**
 * Chooses as many of the most salient weights as a budget pays for, counted in bytes of the whole coded file.
 *
 * @param saliency by tensor
 * @param options the file around the mask, the budget in bytes, bits a level, where saliencies compete
 * @returns the positions
 * @throws NeuralDiffError `budget-impossible`; `bad-data` when training moved nothing
 */
export function affordablePositions(
  saliency: Values,
  options: { layout: Layout; budgetBytes: number; bits: number; scope: Scope },
): Positions {
  const { layout, budgetBytes, bits, scope } = options;
  if ([...saliency.values()].every((values) => values.every((value) => value === 0))) {
    throw new NeuralDiffError('bad-data', 'Cannot choose weights to change: training changed none of them');
  }
  const choose = (step: number): Positions => {
    if (step === 0) return new Map();
    // Densities are tried on a cubic scale: budgets of interest lie at its small end.
    return positionsAbove(saliency, thresholds(saliency, (step / DENSITY_STEPS) ** 3, scope));
  };
  const bytesOf = (positions: Positions): number => layout.fileBytes(sizesOf(positions, bits));
  const step = largestThatFits(DENSITY_STEPS, (tried) => bytesOf(choose(tried)) <= budgetBytes);
  const positions = step < 1 ? new Map() : choose(step);
  if (positions.size === 0) throw impossibleBudget(budgetBytes, bytesOf(choose(1)));
  return positions;
}

function sizesOf(positions: Positions, bits: number) {
  return [...positions].map(([name, places]) => {
    return { kind: 'sparse' as const, tensors: [name], byteLength: sparseOpBytes(places, bits) };
  });
}
