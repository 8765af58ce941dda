import { NeuralDiffError } from '../model/errors.js';
import { totalElements } from '../model/tensor.js';
import type { SparseOp } from '../payload/diff.js';
import { impossibleBudget } from '../payload/encode.js';
import { type ChooseHead, rememberHeads } from '../payload/sparse-writer.js';
import type { FineTuned } from '../train/fine-tune.js';
import { largestWithin, nthLargest, type TensorPartition } from '../train/layout.js';
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
    const kept = indexesAbove(values, least.get(name) as number);
    if (kept.length > 0) positions.set(name, kept);
  }
  return positions;
}

/** Two passes over the values take less time than a list that grows. */
function indexesAbove(values: Float32Array, threshold: number): Uint32Array {
  const least = Math.max(threshold, Number.MIN_VALUE);
  let count = 0;
  for (let i = 0; i < values.length; i++) if ((values[i] as number) >= least) count++;
  const kept = new Uint32Array(count);
  for (let i = 0, end = 0; end < count; i++) if ((values[i] as number) >= least) kept[end++] = i;
  return kept;
}

/** Densities tried range from 2^-24 to 1, in steps per power of two. */
const OCTAVES = 24;
const STEPS_PER_OCTAVE = 128;

function densityAt(step: number): number {
  return 2 ** (step / STEPS_PER_OCTAVE - OCTAVES);
}

/** @returns the bits of a weight at a density: of its level, and of whether it has one, by entropy */
function predictBits(density: number, bits: number): number {
  const rest = 1 - density;
  const entropy = -density * Math.log2(density) - (rest > 0 ? rest * Math.log2(rest) : 0);
  return density * levelBits(bits) + entropy;
}

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
    return positionsAbove(saliency, thresholds(saliency, densityAt(step), scope));
  };
  const headsFor = rememberHeadsNear();
  const bytesOf = (step: number): number =>
    expectedBytes(choose(step), { layout, bits, choose: headsFor(step) });
  const empty = layout.fileBytes([]);
  const weights = totalElements(layout.matrices);
  const step = largestWithin(
    {
      most: OCTAVES * STEPS_PER_OCTAVE,
      limit: budgetBytes,
      predict: (tried) => empty + predictBits(densityAt(tried), bits) * (weights / 8),
    },
    bytesOf,
  );
  const positions = step < 1 ? new Map() : choose(step);
  if (positions.size === 0) throw impossibleBudget(budgetBytes, bytesOf(1));
  return positions;
}

/** Steps within which the same coding of a tensor's positions is taken to be the shortest. */
const NEAR = STEPS_PER_OCTAVE / 4;

/** @returns by step, how positions are coded; chosen again far from the step of the last choice */
function rememberHeadsNear(): (step: number) => ChooseHead {
  let [chosenAt, choose] = [0, rememberHeads()];
  return (step) => {
    if (Math.abs(step - chosenAt) > NEAR) [chosenAt, choose] = [step, rememberHeads()];
    return choose;
  };
}

/** Codes the positions to find their size; that of the levels is an estimate until they are trained. */
function expectedBytes(
  positions: Positions,
  { layout, bits, choose }: { layout: TensorPartition; bits: number; choose: ChooseHead },
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
  return layout.fileBytes(ops, choose) + Math.ceil((count * levelBits(bits) + ops.length * SCALE_BITS) / 8);
}

/** @returns the estimated bits per level after entropy coding */
function levelBits(bits: number): number {
  return bits < 3 ? bits : bits - 0.75;
}

/** Bits of a scale that differs from the previous tensor's. */
const SCALE_BITS = 6;
