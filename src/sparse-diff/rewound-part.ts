import * as tf from '@tensorflow/tfjs';
import { takeAt } from '../tfjs/kernels/diff/sparse.js';
import { createVariable, type DiffPart, readScaled, valuesOf } from '../train/part.js';
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
  const mask = (): Mask => {
    const values = [...changes].map(
      ([name, variable]) => [name, readScaled(variable, sizeOf(name))] as const,
    );
    return { positions, changes: new Map(values), bits, scaleOf };
  };
  return {
    tensors: [...positions.keys()],
    parameters: [...changes.values()],
    advance() {},
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
