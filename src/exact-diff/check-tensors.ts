import { NeuralDiffError, type TensorInfo } from '../model/index.js';

/** @throws NeuralDiffError `wrong-layout` unless two models have tensors of the same names, dtypes and shapes */
export function checkSameTensors(base: readonly TensorInfo[], next: readonly TensorInfo[]): void {
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

/** @returns dtype and shape in words */
export function describe({ dtype, shape }: TensorInfo): string {
  return `${dtype}[${shape.join(', ')}]`;
}

/** @param advice what may be done instead */
export function differs(what: string, advice = 'ship the full model'): NeuralDiffError {
  return new NeuralDiffError('wrong-layout', `Cannot diff models: ${what}; ${advice}`);
}
