import type { Model } from '../model/index.js';
import { type Diff, tensorsOf } from './diff.js';
import { patchRange } from './patch.js';

/** @returns a model with the diff applied; tensors that it does not touch are shared with the base */
export function patchModel(base: Model, diff: Diff): Model {
  const touched = new Set(diff.ops.flatMap(tensorsOf));
  const tensors = base.tensors.map((tensor) => {
    if (!touched.has(tensor.name)) return tensor;
    const bytes = tensor.bytes.slice();
    patchRange(diff.ops, tensor, { startElement: 0, bytes });
    return { ...tensor, bytes };
  });
  return { tensors };
}
