import { borrowInOrder, checkFinite, isArrayData } from '../train/data.js';
import type { Task } from '../train/task.js';
import type { RecipeData } from './recipe.js';

/** Examples that are checked at a time. */
const BATCH_SIZE = 128;

/**
 * Checks the examples of a recipe before any time is spent on training: their shapes, and that all numbers
 * are finite. Of a dataset for training only the first batch is read: it may be long, and later batches are
 * checked when the loss is not finite.
 *
 * @throws NeuralDiffError `bad-data`; the signal's reason
 */
export async function checkRecipeData(
  task: Task,
  { train, validation }: Pick<RecipeData, 'train' | 'validation'>,
  signal: AbortSignal,
): Promise<void> {
  for (const [set, data] of Object.entries({ train, validation })) {
    if (data === undefined) continue;
    let first = 0;
    for await (const batch of borrowInOrder(data, task, BATCH_SIZE)) {
      signal.throwIfAborted();
      await checkFinite(batch, task, { set, first });
      first += batch.xs[0]?.shape[0] ?? 0;
      if (set === 'train' && !isArrayData(data)) break;
    }
  }
}
