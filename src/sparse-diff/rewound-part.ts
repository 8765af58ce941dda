import * as tf from '@tensorflow/tfjs';
import { takeAt } from '../tfjs/kernels/diff/sparse.js';
import {
  createVariable,
  type DiffPart,
  readAll,
  scaleInPlace,
  type Values,
  valuesOf,
} from '../train/part.js';
import type { ScaleOf } from '../train/quantise.js';
import { addMasked, densityOf, type Mask, maskOps, type Positions } from './mask.js';

/**
 * Creates a part with a mask that is known from the start: changes at its positions are trained from zero
 * with quantisation in the loop.
 *
 * @param positions the mask
 * @param settings `bits` per level; `weightCount` of the masked tensors, for the reported density; `sizes`:
 *   expected size of each tensor's changes, by name, 1 by default; `scaleOf`: rounds their scales
 */
export function createRewoundPart(
  positions: Positions,
  settings: { bits: number; weightCount: number; sizes: ReadonlyMap<string, number>; scaleOf: ScaleOf },
): DiffPart {
  const { bits, weightCount, sizes, scaleOf } = settings;
  const sizeOf = (name: string): number => sizes.get(name) ?? 1;
  const changes = new Map(
    [...positions].map(([name, places]) => [name, createVariable(new Float32Array(places.length))]),
  );
  let latest: Values = new Map([...positions].map(([name, { length }]) => [name, new Float32Array(length)]));
  const read = async (): Promise<void> => {
    const values = await readAll(changes);
    for (const [name, each] of values) scaleInPlace(each, sizeOf(name));
    latest = values;
  };
  const mask = (): Mask => ({ positions, changes: latest, bits, scaleOf });
  return {
    tensors: [...positions.keys()],
    parameters: [...changes.values()],
    advance: read,
    read,
    materialise: (weights) => addMasked(weights, mask()),
    pullBack: (gradients) =>
      [...positions].map(([name, places]) => tf.mul(takeAt(valuesOf(gradients, name), places), sizeOf(name))),
    ops: (extraZeros) => maskOps(mask(), extraZeros),
    describe: () => ({ density: densityOf(positions, weightCount) }),
    dispose() {
      for (const variable of changes.values()) variable.dispose();
    },
  };
}
