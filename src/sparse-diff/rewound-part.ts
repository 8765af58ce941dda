import { type DiffPart, valuesOf } from '../train/index.js';
import { addMasked, densityOf, gather, maskOps, type Positions } from './mask.js';

/**
 * A mask that is known from the start: changes at its positions are trained from zero, their quantiser in the loop.
 *
 * @param positions the mask
 * @param settings bits a level; weights in the tensors under the mask, for the density that people see
 */
export function createRewoundPart(
  positions: Positions,
  settings: { bits: number; weightCount: number },
): DiffPart {
  const changes = new Map([...positions].map(([name, places]) => [name, new Float32Array(places.length)]));
  const { bits, weightCount } = settings;
  return {
    tensors: [...positions.keys()],
    parameters: [...changes.values()],
    advance() {},
    materialise: (weights) => addMasked(weights, { positions, changes, bits }),
    pullBack: (gradients) =>
      [...positions].map(([name, places]) => gather(valuesOf(gradients, name), places)),
    ops: () => maskOps({ positions, changes, bits }),
    describe: () => ({ density: densityOf(positions, weightCount) }),
  };
}
