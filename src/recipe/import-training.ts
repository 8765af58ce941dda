import type * as Tf from '@tensorflow/tfjs';
import type * as HashRoom from '../hash-diff/index.js';
import { NeuralDiffError } from '../model/index.js';
import type * as SparseRoom from '../sparse-diff/index.js';
import type * as TfjsRoom from '../tfjs/index.js';
import type * as TrainRoom from '../train/index.js';

/** TensorFlow.js and the rooms that need it. */
export interface TrainingRooms {
  readonly tf: typeof Tf;
  readonly tfjs: typeof TfjsRoom;
  readonly train: typeof TrainRoom;
  readonly sparse: typeof SparseRoom;
  readonly hash: typeof HashRoom;
}

/**
 * Imports what training needs: users who do not train may not have TensorFlow.js installed.
 *
 * @throws NeuralDiffError `missing-package`
 */
export async function importTraining(): Promise<TrainingRooms> {
  try {
    const [tf, tfjs, train, sparse, hash] = await Promise.all([
      import('@tensorflow/tfjs'),
      import('../tfjs/index.js'),
      import('../train/index.js'),
      import('../sparse-diff/index.js'),
      import('../hash-diff/index.js'),
    ]);
    return { tf, tfjs, train, sparse, hash };
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause;
    const message =
      'Cannot train: run "npm install @tensorflow/tfjs@4 @tensorflow/tfjs-backend-wasm@4" first';
    throw new NeuralDiffError('missing-package', message, { cause });
  }
}
