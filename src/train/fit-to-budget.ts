import { canonicalOrder, type TensorInfo } from '../model/tensor.js';
import type { Meta, Op } from '../payload/diff.js';
import { impossibleBudget, payloadBytes } from '../payload/encode.js';
import { largestThatFits } from './layout.js';
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
  const bytesOf = (ops: readonly Op[]): number => payloadBytes(tensors, ops, budget.meta);
  const all = opsAt(STEPS);
  if (bytesOf(all) <= budget.bytes) return all;
  const step = largestThatFits(STEPS, (tried) => bytesOf(opsAt(tried)) <= budget.bytes);
  if (step < 0) throw impossibleBudget(budget.bytes, bytesOf([]));
  return opsAt(step);
}
