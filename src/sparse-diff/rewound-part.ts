import { takeAt } from '../kernels/index.js';
import { createVariable, type DiffPart, readFloats, valuesOf } from '../train/index.js';
import { addMasked, densityOf, type Mask, maskOps, type Positions } from './mask.js';

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
  const { bits, weightCount } = settings;
  const changes = new Map(
    [...positions].map(([name, places]) => [name, createVariable(new Float32Array(places.length))]),
  );
  const mask = (): Mask => {
    const values = [...changes].map(([name, variable]) => [name, readFloats(variable)] as const);
    return { positions, changes: new Map(values), bits };
  };
  return {
    tensors: [...positions.keys()],
    parameters: [...changes.values()],
    advance() {},
    materialise: (weights) => addMasked(weights, mask()),
    pullBack: (gradients) =>
      [...positions].map(([name, places]) => takeAt(valuesOf(gradients, name), places)),
    ops: (thrift) => maskOps(mask(), thrift),
    describe: () => ({ density: densityOf(positions, weightCount) }),
    dispose() {
      for (const variable of changes.values()) variable.dispose();
    },
  };
}
