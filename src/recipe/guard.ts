import { NeuralDiffError } from '../model/index.js';

/**
 * Runs code of a recipe.
 *
 * @throws NeuralDiffError `recipe-failed` with the recipe's own error as cause
 */
export async function runRecipe<T>(path: string, run: () => T | Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    if (cause instanceof NeuralDiffError || (cause as Error)?.name === 'AbortError') throw cause;
    throw recipeFailed(path, cause);
  }
}

/**
 * Wraps the functions among a recipe's values, so that what they throw later is known to be the recipe's.
 *
 * @param path the recipe
 * @param value a function, a list or map of such, or anything else
 */
export function guardRecipe<T>(path: string, value: T): T {
  if (typeof value === 'function') {
    const guarded = (...args: unknown[]): unknown => {
      try {
        return value(...args);
      } catch (cause) {
        throw recipeFailed(path, cause);
      }
    };
    return guarded as T;
  }
  if (Array.isArray(value)) return value.map((item) => guardRecipe(path, item)) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, guardRecipe(path, item)])) as T;
}

function recipeFailed(path: string, cause: unknown): NeuralDiffError {
  const message = `Recipe "${path}" failed: ${(cause as Error)?.message ?? String(cause)}`;
  return new NeuralDiffError('recipe-failed', message, { cause });
}
