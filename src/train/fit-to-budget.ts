import { canonicalOrder, type TensorInfo } from '../model/tensor.js';
import type { Meta, Op } from '../payload/diff.js';
import { impossibleBudget, payloadBytes } from '../payload/encode.js';
import { largestThatFits } from './layout.js';
import type { DiffPart } from './part.js';

/** What a payload file may take, and what it is for. */
export interface FileBudget {
  readonly bytes: number;
  readonly tensors: readonly TensorInfo[];
  readonly meta: Meta;
}

/** Steps between all of a diff and nothing. */
const STEPS = 2 ** 10;

/**
 * Takes as much of trained parts as a budget pays for. How long the coded levels get is foreseen before training, but not
 * to the byte: what is too much is taken from what matters least.
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
