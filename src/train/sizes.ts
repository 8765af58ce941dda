import type { TensorInfo } from '../model/index.js';
import type { FineTuned } from './fine-tune.js';
import { valuesOf } from './part.js';
import { rootMeanSquare } from './quantise.js';

/** What a tensor counts for that the full fine-tune did not move: some change must be possible. */
const LEAST = 1e-4;

/**
 * How large changes are about to be: diffs are trained in these units, so that one learning rate suits all models.
 *
 * @returns root mean square of each tensor's change in the full fine-tune, by name
 */
export function changeSizes(full: FineTuned, infos: readonly TensorInfo[]): Map<string, number> {
  return new Map(
    infos.map(({ name }) => [name, Math.max(LEAST, rootMeanSquare(valuesOf(full.deltas, name)))]),
  );
}
