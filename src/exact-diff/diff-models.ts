import { type Model, NeuralDiffError, type TensorInfo } from '../model/index.js';
import { type PackedDiff, packDiff } from '../payload/encode.js';
import type { Meta } from '../payload/index.js';
import { exactOps } from './exact-ops.js';

/** A lossless diff of two models. */
export interface ExactDiff extends Omit<PackedDiff, 'model'> {
  readonly changedTensors: number;
  /** Elements whose bits differ. */
  readonly changedWeights: number;
}

/**
 * Packs the difference of two models, wherever they were trained: a payload that makes the second of the first, bit for bit,
 * NaN payloads and signs of zeros included. Elements are subtracted in the order of their values, so that what training
 * moved a little takes few bits.
 *
 * @param base the model on the devices
 * @param next the model that they should have: tensors of the same names, dtypes and shapes, in any order
 * @param meta metadata of the payload; none unless given
 * @throws NeuralDiffError `wrong-layout` where the tensors disagree
 *
 * @example
 * const { payload } = await diffModels(await copyModel(base), await copyModel(next));
 */
export async function diffModels(base: Model, next: Model, meta: Meta = {}): Promise<ExactDiff> {
  checkSameTensors(base.tensors, next.tensors);
  const ops = exactOps(base, next);
  const { payload, ...packed } = await packDiff(base, { ops }, meta);
  return {
    ...{ payload, base: packed.base, next: packed.next },
    changedTensors: ops.length,
    changedWeights: ops.reduce((sum, { positions }) => sum + positions.length, 0),
  };
}

function checkSameTensors(base: readonly TensorInfo[], next: readonly TensorInfo[]): void {
  const byName = new Map(next.map((info) => [info.name, info]));
  for (const info of base) {
    const found = byName.get(info.name);
    if (found === undefined) throw differs(`the base's tensor "${info.name}" is not in the next model`);
    if (describe(found) !== describe(info))
      throw differs(
        `tensor "${info.name}" is ${describe(info)} in the base, ${describe(found)} in the next model`,
      );
    byName.delete(info.name);
  }
  const [added] = byName.keys();
  if (added !== undefined) throw differs(`the next model's tensor "${added}" is not in the base`);
}

function describe({ dtype, shape }: TensorInfo): string {
  return `${dtype}[${shape.join(', ')}]`;
}

function differs(what: string): NeuralDiffError {
  return new NeuralDiffError('wrong-layout', `Cannot diff models: ${what}; ship the full model`);
}
