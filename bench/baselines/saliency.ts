import { type Saliency, saliencyOf } from '../../src/sparse-diff/saliency.js';
import { type Values, valuesOf } from '../../src/train/part.js';
import type { BaselineContext } from './baseline.js';
import { splitTensors } from './tensors.js';

/** @returns the saliency of what the full fine-tune changed in the matrices */
export function deltaSaliency({ base, full }: BaselineContext, kind: Saliency): Values {
  return new Map(
    splitTensors(base).matrices.map(({ name }) => {
      return [name, saliencyOf(valuesOf(full.deltas, name), valuesOf(full.fisher, name), { kind })];
    }),
  );
}
