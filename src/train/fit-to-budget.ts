import { canonicalOrder, type TensorInfo } from '../model/tensor.js';
import type { Meta, Op } from '../payload/diff.js';
import { impossibleBudget, payloadBytes } from '../payload/encode.js';
import { type ChooseHead, rememberHeads } from '../payload/sparse-writer.js';
import { largestWithin } from './layout.js';
import type { DiffPart } from './part.js';

/** Largest size of a payload file, and the model it is for. */
export interface FileBudget {
  readonly bytes: number;
  readonly tensors: readonly TensorInfo[];
  readonly meta: Meta;
}

/** Steps between a whole diff and an empty one. */
const STEPS = 2 ** 10;

/**
 * Keeps as much of trained parts as fits a budget. The size of the coded levels is estimated before training;
 * if the estimate was too low, the least important changes are dropped.
 *
 * @throws NeuralDiffError `budget-impossible`
 */
export function fitToBudget(parts: readonly DiffPart[], budget: FileBudget): Op[] {
  const tensors = canonicalOrder(budget.tensors);
  const opsAt = (step: number): Op[] => parts.flatMap((part) => part.ops(1 - step / STEPS));
  const bytesOf = (ops: readonly Op[], choose?: ChooseHead): number =>
    payloadBytes(tensors, ops, { meta: budget.meta, choose });
  const choose = rememberHeads();
  const all = opsAt(STEPS);
  const [least, most] = [bytesOf([]), bytesOf(all, choose)];
  if (most <= budget.bytes) return all;
  const predict = (tried: number): number => least + ((most - least) * tried) / STEPS;
  const search = { most: STEPS - 1, limit: budget.bytes, predict };
  let step = largestWithin(search, (tried) => bytesOf(opsAt(tried), choose));
  // The codings that are best for all changes are not always so for fewer, nor is their sum the shortest.
  for (; step >= 0; step--) {
    const ops = opsAt(step);
    if (bytesOf(ops) <= budget.bytes) return ops;
  }
  throw impossibleBudget(budget.bytes, least);
}
