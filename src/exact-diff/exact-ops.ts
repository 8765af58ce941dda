import { canonicalOrder, type Model, type Tensor } from '../model/index.js';
import type { ExactOp } from '../payload/index.js';
import { differences } from './differences.js';

/**
 * @param from a model
 * @param to another with tensors of the same names, dtypes and shapes
 * @returns exact ops that make the second of the first, bit for bit, for the tensors that differ
 */
export function exactOps(from: Model, to: Model): ExactOp[] {
  const targets = new Map(to.tensors.map((tensor) => [tensor.name, tensor]));
  return canonicalOrder(from.tensors).flatMap((tensor): ExactOp[] => {
    const target = targets.get(tensor.name) as Tensor;
    if (tensor.bytes === target.bytes) return [];
    // Elements may start anywhere in their buffer.
    const elements = { before: tensor.bytes.slice(), after: target.bytes.slice(), first: 0 };
    const { positions, levels } = differences(tensor, elements);
    const found = { positions: positions.slice(), levels: levels.slice() };
    return found.positions.length === 0 ? [] : [{ kind: 'exact', tensor: tensor.name, ...found }];
  });
}
