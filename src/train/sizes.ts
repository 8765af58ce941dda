import type { Quantizations, TensorInfo } from '../model/index.js';
import type { FineTuned } from './fine-tune.js';
import { valuesOf } from './part.js';
import { rootMeanSquare } from './quantise.js';
import { scalesOf } from './stored.js';

/** What a tensor counts for that the full fine-tune did not move: some change must be possible. */
const LEAST = 1e-4;

/**
 * How large changes are about to be: diffs are trained in these units, so that one learning rate suits all models.
 *
 * @returns root mean square of each tensor's change in the full fine-tune, by name; in units of its quantisation's scales
 *   (their root mean square) where it has one
 */
export function changeSizes(
  full: FineTuned,
  infos: readonly TensorInfo[],
  quantization: Quantizations,
): Map<string, number> {
  const sizeOf = ({ name }: TensorInfo): number => {
    const size = Math.max(LEAST, rootMeanSquare(valuesOf(full.deltas, name)));
    return size / rootMeanSquare(scalesOf(quantization.get(name)));
  };
  return new Map(infos.map((info) => [info.name, sizeOf(info)]));
}
