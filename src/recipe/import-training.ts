import { NeuralDiffError } from '../model/errors.js';
import type * as Training from './train-by-recipe.js';

/**
 * Imports the recipe trainer on demand, as TensorFlow.js may not be installed.
 *
 * @throws NeuralDiffError `missing-package`
 */
export function importTraining(): Promise<typeof Training> {
  return importWithTensorFlow(() => import('./train-by-recipe.js'));
}

/**
 * Imports a module that needs TensorFlow.js.
 *
 * @throws NeuralDiffError `missing-package`
 */
export async function importWithTensorFlow<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause;
    const message =
      'Cannot train: run "npm install @tensorflow/tfjs@4 @tensorflow/tfjs-backend-wasm@4" first';
    throw new NeuralDiffError('missing-package', message, { cause });
  }
}
