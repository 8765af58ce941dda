import { canonicalOrder, type Model, type Tensor } from '../model/index.js';
import { type ExactOp, orderedBits, orderOf, wrapDifference } from '../payload/index.js';

/**
 * @param from a model
 * @param to another with tensors of the same names, dtypes and shapes
 * @returns exact ops that make the second of the first, bit for bit, for the tensors that differ
 */
export function exactOps(from: Model, to: Model): ExactOp[] {
  const targets = new Map(to.tensors.map((tensor) => [tensor.name, tensor]));
  return canonicalOrder(from.tensors).flatMap((tensor) => {
    const target = targets.get(tensor.name) as Tensor;
    return tensor.bytes === target.bytes ? [] : (exactOp(tensor, target) ?? []);
  });
}

function exactOp(from: Tensor, to: Tensor): ExactOp | undefined {
  const [start, end] = [elementsOf(from), elementsOf(to)];
  const changed: number[] = [];
  for (let i = 0; i < start.words.length; i++) if (start.words[i] !== end.words[i]) changed.push(i);
  if (changed.length === 0) return undefined;
  const levels = Int32Array.from(changed, (i) => wrapDifference(from, orderOf(end, i) - orderOf(start, i)));
  return { kind: 'exact', tensor: from.name, positions: Uint32Array.from(changed), levels };
}

/** Elements may start anywhere in their buffer. */
function elementsOf(tensor: Tensor) {
  return orderedBits(tensor, tensor.bytes.slice());
}
