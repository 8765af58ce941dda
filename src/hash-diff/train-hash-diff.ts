import { totalElements } from '../model/index.js';
import { hashOpBytes } from '../payload/encode.js';
import { MAX_BLOCK, MAX_BUCKETS } from '../payload/index.js';
import {
  checkChoice,
  createDensePart,
  type DiffPart,
  impossibleBudget,
  type Layout,
  largestThatFits,
  layOut,
  type PartContext,
  pickValues,
  rootMeanSquare,
  type TrainDiffOptions,
  type TrainedDiff,
  trainDiff,
  valuesOf,
} from '../train/index.js';
import type { BucketCoding } from './buckets.js';
import { createHashPart } from './hash-part.js';

/** What `trainHashDiff` takes beside what both trainers take. */
export interface TrainHashDiffOptions extends TrainDiffOptions {
  /** Default `ternary`: many buckets of few bits beat few of many. */
  readonly coding?: BucketCoding | undefined;
  /** Neighbouring weights placed by one hash: 1 to 1,024; default 8. */
  readonly block?: number | undefined;
  /**
   * `layer` (default): a tensor's changes are as large, beside the others', as in the full fine-tune. `shared`: all are
   * equal.
   */
  readonly scales?: 'layer' | 'shared' | undefined;
}

/**
 * Trains a hash diff: all locations of the weight matrices share as many buckets as the budget pays for, biases and
 * norms get a dense op. Give every update of a device another seed: fixed placements drift over updates.
 *
 * @throws NeuralDiffError `budget-impossible`, `training-diverged`, `bad-data`; the signal's reason
 *
 * @example
 * const { payload } = await trainHashDiff({ task: createTask(model), train, validation, budget: '0.5%', seed: 1 });
 */
export function trainHashDiff(options: TrainHashDiffOptions): Promise<TrainedDiff> {
  const { coding = 'ternary', block = 8, scales = 'layer' } = options;
  if (!Number.isInteger(block) || block < 1 || block > MAX_BLOCK) {
    throw new RangeError(
      `Cannot train hash diff: expected blocks of 1 to ${MAX_BLOCK} weights, got ${block}`,
    );
  }
  checkChoice('coding', coding, ['ternary', 'sign', 'float']);
  checkChoice('scales', scales, ['layer', 'shared']);
  const createParts = (context: PartContext) => createHashParts(context, { coding, block, scales });
  return trainDiff(options, { epochs: 24, learningRate: 5e-3, createParts });
}

function createHashParts(
  context: PartContext,
  settings: { coding: BucketCoding; block: number; scales: 'layer' | 'shared' },
): DiffPart[] {
  const layout = layOut(context.base, context);
  const createDense = () =>
    createDensePart(pickValues(context.base.trainable, layout.vectors), context.denseBits);
  if (layout.matrices.length === 0) return [createDense()];
  const bucketCount = affordableBuckets(layout, settings.coding, context.budgetBytes);
  const ratios = settings.scales === 'layer' ? layerRatios(context, layout) : new Map<string, number>();
  const { coding, block } = settings;
  return [
    createHashPart({ tensors: layout.matrices, bucketCount, block, seed: context.seed, coding, ratios }),
    createDense(),
  ];
}

function affordableBuckets(layout: Layout, coding: BucketCoding, budget: number): number {
  const tensors = layout.matrices.map((info) => info.name);
  const weights = totalElements(layout.matrices);
  const bytesOf = (bucketCount: number): number => {
    const byteLength = hashOpBytes({ coding, bucketCount, tensorCount: tensors.length });
    return layout.fileBytes([{ kind: 'hash', tensors, byteLength }]);
  };
  const count = largestThatFits(Math.min(weights, MAX_BUCKETS), (buckets) => bytesOf(buckets) <= budget);
  if (count < 1) throw impossibleBudget(budget, bytesOf(1));
  return count;
}

/** Root mean square of each tensor's change in the full fine-tune, beside that of all tensors. */
function layerRatios(context: PartContext, layout: Layout): Map<string, number> {
  const sizes = layout.matrices.map((info) => rootMeanSquare(valuesOf(context.full.deltas, info.name)));
  const mean = sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
  return new Map(
    layout.matrices.map((info, i) => [info.name, mean > 0 ? (sizes[i] as number) / mean || 1 : 1]),
  );
}
