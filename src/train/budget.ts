import { canonicalOrder, type TensorInfo } from '../model/index.js';
import { type Budget, impossibleBudget, payloadBytes, readBudget } from '../payload/encode.js';

export { type Budget, float32Bytes, impossibleBudget } from '../payload/encode.js';

/**
 * Reads a budget, and makes sure that a payload could meet it.
 *
 * @param budget bytes, bytes with a unit, or a percentage
 * @param tensors the model's tensors
 * @returns whole bytes, at least 1
 * @throws RangeError for anything else; NeuralDiffError `budget-impossible` when not even a header fits
 */
export function budgetBytes(budget: Budget, tensors: readonly TensorInfo[]): number {
  const bytes = readBudget(budget, tensors);
  const least = payloadBytes(canonicalOrder(tensors), []);
  if (bytes < least) throw impossibleBudget(bytes, least);
  return bytes;
}
