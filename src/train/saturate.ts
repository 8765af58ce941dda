import type { Tensor } from '../model/index.js';
import { type Op, patchRange, type SparseOp } from '../payload/index.js';
import type { BaseWeights } from './session.js';
import { INTEGER_RANGES, integersOf } from './stored.js';

/**
 * Integers add modulo the size of their type. Where ops would lead out of its range, one more op leads back to its end.
 *
 * @returns the ops, and those that correct quantised tensors
 */
export function saturate(ops: readonly Op[], { model, quantization }: BaseWeights): Op[] {
  const quantised = model.tensors.filter(({ name }) => quantization.has(name));
  return [...ops, ...quantised.flatMap((tensor) => correction(ops, tensor))];
}

/** Sums are taken in 32 bits, where they have room. */
function correction(ops: readonly Op[], tensor: Tensor): SparseOp[] {
  const { name, shape, dtype } = tensor;
  const sums = Int32Array.from(integersOf(tensor));
  const bytes = new Uint8Array(sums.buffer);
  patchRange(ops, { name, shape, dtype: 'int32' }, { startElement: 0, bytes });
  const [least, most] = INTEGER_RANGES[dtype] as readonly [number, number];
  const wrap = Int8Array.of(0);
  const positions: number[] = [];
  const levels: number[] = [];
  for (let i = 0; i < sums.length; i++) {
    const sum = sums[i] as number;
    wrap[0] = Math.min(most, Math.max(least, sum)) - sum;
    if (wrap[0] === 0) continue;
    positions.push(i);
    levels.push(wrap[0]);
  }
  if (positions.length === 0) return [];
  const changes = { positions: Uint32Array.from(positions), levels: Int16Array.from(levels) };
  return [{ kind: 'sparse', tensor: name, scale: 1, ...changes }];
}
