import { DTYPES, type TensorInfo, totalElements } from '../model/tensor.js';
import { impossibleBudget } from '../payload/encode.js';
import { MAX_BLOCK, MAX_BUCKETS } from '../payload/limits.js';
import { checkChoice } from '../train/check.js';
import { changeSizes, densePartOf } from '../train/dense-part.js';
import { divideEmbeddings } from '../train/embeddings.js';
import type { TensorPartition } from '../train/layout.js';
import type { DiffPart } from '../train/part.js';
import {
  type DiffSize,
  type PartContext,
  type TrainDiffOptions,
  type TrainedDiff,
  trainDiff,
} from '../train/train-diff.js';
import { type BucketCoding, bitsPerBucket, createHashPart } from './hash-part.js';

/** Options of `trainHashDiff`, in addition to those of both trainers. */
export interface TrainHashDiffOptions extends TrainDiffOptions {
  /** Default `ternary`: many buckets with few bits beat few buckets with many. */
  readonly coding?: BucketCoding;
  /** Share of ternary buckets that are zero: above 0, below 1; default 0.5. More zeros buy more buckets. */
  readonly zeros?: number;
  /**
   * Neighbouring weights that share a hash: 1 to 1,024; default 8, or 32 where the matrices have more than
   * 2^20 weights.
   */
  readonly block?: number;
  /**
   * `layer` (default): the relative size of each tensor's changes is that of the full fine-tune. `shared`:
   * all tensors have the same size of changes.
   */
  readonly scales?: 'layer' | 'shared';
}

/**
 * Trains a hash diff: all weights of the matrices share as many buckets as fit the budget; biases and norms
 * get a dense op. Use another seed for every update of a device: with fixed placements, errors add up over
 * updates.
 *
 * @throws NeuralDiffError `budget-impossible`, `training-diverged`, `bad-data`, `no-memory`; the signal's
 *   reason
 *
 * @example
 * await useBackend('wasm');
 * const layer = tf.layers.dense({ inputShape: [4], units: 256, activation: 'softmax' });
 * const model = tf.sequential({ layers: [layer] });
 * model.compile({ optimizer: 'adam', loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
 * const xs = tf.randomNormal([512, 4]);
 * const ys = tf.oneHot(tf.argMax(xs, 1), 256).toFloat();
 * const options = { task: createTask(model), train: { xs, ys }, validation: { xs, ys }, seed: 1 };
 * const { payload, metrics } = await trainHashDiff({ ...options, budget: '5%' });
 * console.log(payload.length, metrics.diff.accuracy);
 */
export function trainHashDiff(options: TrainHashDiffOptions): Promise<TrainedDiff> {
  const { coding = 'ternary', block, scales = 'layer' } = options;
  const zeros = coding === 'ternary' ? (options.zeros ?? 0.5) : 0;
  if (block !== undefined && !(Number.isInteger(block) && block >= 1 && block <= MAX_BLOCK)) {
    throw new RangeError(
      `Cannot train hash diff: expected blocks of 1 to ${MAX_BLOCK} weights, got ${block}`,
    );
  }
  checkChoice('coding', coding, ['ternary', 'sign', 'float']);
  checkChoice('scales', scales, ['layer', 'shared']);
  if (!(zeros >= 0 && zeros < 1))
    throw new RangeError(`Cannot train hash diff: expected a share of zeros from 0 to 1, got ${zeros}`);
  const createParts = (context: PartContext) => createHashParts(context, { coding, zeros, block, scales });
  const perBucket = options.optimizer ? BUCKET_NUMBERS - 2 : BUCKET_NUMBERS;
  const numbersOf = ({ weights, budgetBytes }: DiffSize): number =>
    perBucket * Math.min(Math.floor((8 * budgetBytes) / bitsPerBucket(coding, zeros)), weights, MAX_BUCKETS);
  return trainDiff(options, { createParts, fisher: false, restarts: true, numbersOf });
}

/** Value, gradient, two moments. */
const BUCKET_NUMBERS = 4;

function createHashParts(
  context: PartContext,
  settings: Required<Pick<TrainHashDiffOptions, 'zeros' | 'scales'>> & {
    coding: BucketCoding;
    block: number | undefined;
  },
): DiffPart[] {
  const { parts, layout, budgetBytes } = divideEmbeddings(context);
  if (layout.matrices.length === 0) return [...parts, densePartOf(context, layout)];
  checkAddable(settings.coding, layout.matrices);
  const bits = bitsPerBucket(settings.coding, settings.zeros);
  const bucketCount = affordableBuckets(layout, bits, budgetBytes);
  const sizes = sizesOf(context, layout, settings.scales);
  const { coding, block = blockFor(layout), zeros } = settings;
  return [
    ...parts,
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

/**
 * Sums over the buckets of larger models leave the processor's caches, and each block then waits for memory.
 * So many weights have blocks enough for the hash to be random, however long they are.
 */
function blockFor({ matrices }: TensorPartition): number {
  return totalElements(matrices) > 2 ** 20 ? 32 : 8;
}

function checkAddable(coding: BucketCoding, matrices: readonly TensorInfo[]): void {
  const integers = matrices.find(({ dtype }) => DTYPES[dtype].kind === 'integer');
  if (coding !== 'float' || integers === undefined) return;
  throw new TypeError(
    `Cannot train hash diff: float buckets cannot be added to the integers of "${integers.name}"`,
  );
}

function affordableBuckets(layout: TensorPartition, bits: number, budget: number): number {
  const least = layout.fileBytes([]) + HEAD_BYTES + Math.ceil((layout.matrices.length * SCALE_BITS) / 8);
  const count = Math.floor((8 * (budget - least)) / bits);
  if (count < 1) throw impossibleBudget(budget, least + 1);
  return Math.min(count, totalElements(layout.matrices), MAX_BUCKETS);
}

/**
 * Bytes of a hash record in addition to scales and buckets: kind, length, placement, learning cost of its
 * coder.
 */
const HEAD_BYTES = 1 + 3 + 11 + 4;

/** Bits per tensor for its scale. */
const SCALE_BITS = 7;

/** @returns the expected size of each tensor's changes; with `shared` scales, their mean for all */
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
