import { NeuralDiffError, type TensorInfo } from '../model/index.js';

/**
 * Compares the tensors that a payload was made for with those of the model at hand, before any weight is read.
 *
 * @param expected the payload's directory
 * @param found the store's tensors, in any order
 * @returns undefined when they agree; otherwise the first disagreement, `missing-tensor`, `extra-tensor`,
 *   `wrong-dtype` or `wrong-shape`
 */
export function compareDirectories(
  expected: readonly TensorInfo[],
  found: readonly TensorInfo[],
): NeuralDiffError | undefined {
  const byName = new Map(found.map((info) => [info.name, info]));
  for (const info of expected) {
    const other = byName.get(info.name);
    const problem = other === undefined ? missing(info) : compareTensors(info, other);
    if (problem !== undefined) return problem;
    byName.delete(info.name);
  }
  const [extra] = byName.keys();
  return extra === undefined
    ? undefined
    : refuse('extra-tensor', extra, 'expected none of that name, got one');
}

function missing(info: TensorInfo): NeuralDiffError {
  return refuse('missing-tensor', info.name, 'expected one of that name, got none');
}

function compareTensors(expected: TensorInfo, found: TensorInfo): NeuralDiffError | undefined {
  if (expected.dtype !== found.dtype) {
    return refuse('wrong-dtype', expected.name, `expected ${expected.dtype}, got ${found.dtype}`);
  }
  const sameShape =
    expected.shape.length === found.shape.length &&
    expected.shape.every((size, axis) => size === found.shape[axis]);
  if (sameShape) return undefined;
  return refuse('wrong-shape', expected.name, `expected shape [${expected.shape}], got [${found.shape}]`);
}

function refuse(
  code: 'missing-tensor' | 'extra-tensor' | 'wrong-dtype' | 'wrong-shape',
  tensor: string,
  what: string,
): NeuralDiffError {
  return new NeuralDiffError(code, `Cannot apply payload to tensor "${tensor}": ${what}`, {
    facts: { tensor },
  });
}
