import { DTYPES, type TensorInfo, totalElements } from '../model/tensor.js';
import { impossibleBudget } from '../payload/encode.js';
import { MAX_BLOCK, MAX_BUCKETS } from '../payload/limits.js';
import { checkChoice } from '../train/check.js';
import { changeSizes, densePartOf } from '../train/dense-part.js';
import { partitionTensors, type TensorPartition } from '../train/layout.js';
import type { DiffPart } from '../train/part.js';
import { type PartContext, type TrainDiffOptions, type TrainedDiff, trainDiff } from '../train/train-diff.js';
import { type BucketCoding, bitsPerBucket, createHashPart } from './hash-part.js';

/** What `trainHashDiff` takes beside what both trainers take. */
export interface TrainHashDiffOptions extends TrainDiffOptions {
  /** Default `ternary`: many buckets of few bits beat few of many. */
  readonly coding?: 'ternary' | 'sign' | 'float';
  /** Share of ternary buckets that are 0: above 0, below 1; default 0.5. The more, the more buckets a budget pays for. */
  readonly zeros?: number;
  /** Neighbouring weights placed by one hash: 1 to 1,024; default 8. */
  readonly block?: number;
  /**
   * `layer` (default): a tensor's changes are as large, beside the others', as in the full fine-tune. `shared`: all are
   * equal.
   */
  readonly scales?: 'layer' | 'shared';
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
  const zeros = coding === 'ternary' ? (options.zeros ?? 0.5) : 0;
  if (!Number.isInteger(block) || block < 1 || block > MAX_BLOCK) {
    throw new RangeError(
      `Cannot train hash diff: expected blocks of 1 to ${MAX_BLOCK} weights, got ${block}`,
    );
  }
  checkChoice('coding', coding, ['ternary', 'sign', 'float']);
  checkChoice('scales', scales, ['layer', 'shared']);
  if (!(zeros >= 0 && zeros < 1)) throw new RangeError(`expected a share of zeros from 0 to 1, got ${zeros}`);
  const createParts = (context: PartContext) => createHashParts(context, { coding, zeros, block, scales });
  return trainDiff(options, createParts);
}

function createHashParts(
  context: PartContext,
  settings: Required<Pick<TrainHashDiffOptions, 'zeros' | 'block' | 'scales'>> & { coding: BucketCoding },
): DiffPart[] {
  const layout = partitionTensors(context.base, context);
  if (layout.matrices.length === 0) return [densePartOf(context, layout)];
  checkAddable(settings.coding, layout.matrices);
  const bucketCount = affordableBuckets(
    layout,
    bitsPerBucket(settings.coding, settings.zeros),
    context.budgetBytes,
  );
  const sizes = sizesOf(context, layout, settings.scales);
  const { coding, block, zeros } = settings;
  return [
    createHashPart({
      tensors: layout.matrices,
      bucketCount,
      block,
      seed: context.seed,
      coding,
      zeros,
      sizes,
    }),
    densePartOf(context, layout),
  ];
}

function checkAddable(coding: BucketCoding, matrices: readonly TensorInfo[]): void {
  const integers = matrices.find(({ dtype }) => DTYPES[dtype].kind === 'integer');
  if (coding !== 'float' || integers === undefined) return;
  throw new TypeError(
    `Cannot train hash diff: float buckets do not add to the integers of "${integers.name}"`,
  );
}

function affordableBuckets(layout: TensorPartition, bits: number, budget: number): number {
  const least = layout.fileBytes([]) + HEAD_BYTES + Math.ceil((layout.matrices.length * SCALE_BITS) / 8);
  const count = Math.floor((8 * (budget - least)) / bits);
  if (count < 1) throw impossibleBudget(budget, least + 1);
  return Math.min(count, totalElements(layout.matrices), MAX_BUCKETS);
}

/** Bytes of a hash record beside scales and buckets: kind, length, placement, what its coder learns. */
const HEAD_BYTES = 1 + 3 + 11 + 4;

/** Bits of a tensor's scale. */
const SCALE_BITS = 7;

/** Each tensor's size, or for all the mean of the tensors' sizes. */
function sizesOf(
  context: PartContext,
  layout: TensorPartition,
  scales: 'layer' | 'shared',
): Map<string, number> {
  const sizes = changeSizes(context.full, layout.matrices, context.base.quantization);
  if (scales === 'layer') return sizes;
  const mean = [...sizes.values()].reduce((sum, size) => sum + size, 0) / sizes.size;
  return new Map([...sizes.keys()].map((name) => [name, mean]));
}
