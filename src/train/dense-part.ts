import type { Op } from '../payload/index.js';
import { type DiffPart, type Values, valuesOf } from './part.js';
import { quantiseUniform } from './quantise.js';

/**
 * Every weight of some small tensors (biases, scales and offsets of norms) changes, on a coarse grid whose rounding is
 * part of training.
 *
 * @param base values of the tensors by name
 * @param bits bits a level: 2 to 8
 */
export function createDensePart(base: Values, bits: number): DiffPart {
  const deltas = new Map([...base].map(([name, values]) => [name, new Float32Array(values.length)]));
  const tensors = [...base.keys()];
  return {
    tensors,
    parameters: [...deltas.values()],
    advance() {},
    materialise(weights) {
      for (const name of tensors) {
        const target = valuesOf(weights, name);
        const { levels, scale } = quantiseUniform(valuesOf(deltas, name), bits);
        for (let i = 0; i < target.length; i++) {
          target[i] = (target[i] as number) + Math.fround((levels[i] as number) * scale);
        }
      }
    },
    pullBack: (gradients) => tensors.map((name) => valuesOf(gradients, name)),
    ops: () =>
      tensors.flatMap((tensor): Op[] => {
        const { levels, scale } = quantiseUniform(valuesOf(deltas, tensor), bits);
        if (levels.every((level) => level === 0)) return [];
        return [{ kind: 'dense', tensor, bits, scale, levels: Int8Array.from(levels) }];
      }),
    describe: () => ({}),
  };
}
