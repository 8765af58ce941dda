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
  if (kind === 'magnitude') return changes.map(Math.abs);
  return changes.map((change, i) => (fisher[i] as number) * change * change);
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
  const all = new Float32Array(arrays.reduce((sum, array) => sum + array.length, 0));
  let at = 0;
  for (const array of arrays) {
    all.set(array, at);
    at += array.length;
  }
  all.sort();
  const kept = Math.min(all.length, Math.max(1, Math.round(share * all.length)));
  return all[all.length - kept] as number;
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
