import { NeuralDiffError } from '../model/errors.js';
import type { SparseOp } from '../payload/diff.js';
import { impossibleBudget } from '../payload/encode.js';
import type { FineTuned } from '../train/fine-tune.js';
import { largestThatFits, nthLargest, type TensorPartition } from '../train/layout.js';
import { type Values, valuesOf } from '../train/part.js';
import type { Positions } from './mask.js';

/**
 * How to rank weights to change: `magnitude`, by the size of the change; `fisher`, by its effect on the loss,
 * the diagonal of the Fisher information times the squared change.
 */
export type Saliency = 'magnitude' | 'fisher';

/** Where saliencies are compared: across the whole model, or within each tensor at equal density. */
export type Scope = 'global' | 'tensor';

/**
 * @param saliency where to write it, for example over the Fisher information; a new array by default
 * @returns the saliency of every change
 */
export function saliencyOf(
  changes: Float32Array,
  fisher: Float32Array,
  { kind, saliency = new Float32Array(changes.length) }: { kind: Saliency; saliency?: Float32Array },
): Float32Array {
  for (let i = 0; i < saliency.length; i++) {
    const change = changes[i] as number;
    saliency[i] = kind === 'magnitude' ? Math.abs(change) : (fisher[i] as number) * change * change;
  }
  return saliency;
}

/**
 * @param options `reuses`: whether to overwrite the Fisher information, to save memory
 * @returns the saliency of the full fine-tune's changes, for the matrices of a partition
 */
export function fineTuneSaliency(
  full: Pick<FineTuned, 'deltas' | 'fisher'>,
  layout: TensorPartition,
  { kind, reuses }: { kind: Saliency; reuses: boolean },
): Values {
  const entries = layout.matrices.map(({ name }) => {
    const fisher = valuesOf(full.fisher, name);
    const options = reuses ? { kind, saliency: fisher } : { kind };
    return [name, saliencyOf(valuesOf(full.deltas, name), fisher, options)] as const;
  });
  return new Map(entries);
}

/** @returns by tensor, the smallest saliency among the top `share` of weights */
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

/** Densities tried range from 2^-24 to 1, in steps per power of two. */
const OCTAVES = 24;
const STEPS_PER_OCTAVE = 128;

/**
 * Chooses as many of the most salient weights as fit a budget, counted in bytes of the whole coded file.
 *
 * @param saliency by tensor
 * @param options the partition, which knows the rest of the file; the budget in bytes; bits per level; where
 *   saliencies are compared
 * @throws NeuralDiffError `budget-impossible`; `bad-data` if training changed nothing
 */
export function affordablePositions(
  saliency: Values,
  options: { layout: TensorPartition; budgetBytes: number; bits: number; scope: Scope },
): Positions {
  const { layout, budgetBytes, bits, scope } = options;
  if ([...saliency.values()].every((values) => values.every((value) => value === 0))) {
    throw new NeuralDiffError('bad-data', 'Cannot choose weights to change: training changed none of them');
  }
  const choose = (step: number): Positions => {
    if (step === 0) return new Map();
    return positionsAbove(saliency, thresholds(saliency, 2 ** (step / STEPS_PER_OCTAVE - OCTAVES), scope));
  };
  const bytesOf = (positions: Positions): number => expectedBytes(positions, { layout, bits });
  const step = largestThatFits(OCTAVES * STEPS_PER_OCTAVE, (tried) => bytesOf(choose(tried)) <= budgetBytes);
  const positions = step < 1 ? new Map() : choose(step);
  if (positions.size === 0) throw impossibleBudget(budgetBytes, bytesOf(choose(1)));
  return positions;
}

/** Codes the positions to find their size; that of the levels is an estimate until they are trained. */
function expectedBytes(
  positions: Positions,
  { layout, bits }: { layout: TensorPartition; bits: number },
): number {
  const ops = [...positions].map(([tensor, places]): SparseOp => {
    return {
      kind: 'sparse',
      tensor,
      positions: places,
      levels: new Int16Array(places.length).fill(1),
      scale: 1,
    };
  });
  const count = ops.reduce((sum, { levels }) => sum + levels.length, 0);
  return layout.fileBytes(ops) + Math.ceil((count * levelBits(bits) + ops.length * SCALE_BITS) / 8);
}

/** @returns the estimated bits per level after entropy coding */
function levelBits(bits: number): number {
  return bits < 3 ? bits : bits - 0.75;
}

/** Bits of a scale that differs from the previous tensor's. */
const SCALE_BITS = 6;
