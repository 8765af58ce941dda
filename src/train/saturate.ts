import type { Tensor } from '../model/index.js';
import { type DenseOp, type Op, patchRange, type SparseOp } from '../payload/index.js';
import type { BaseWeights } from './session.js';
import { INTEGER_RANGES, integersOf } from './stored.js';

/**
 * Integers add modulo the size of their type: what would leave its range must not. Levels of sparse and dense ops shrink;
 * hashed values are shared with weights that have room, so one more op leads back to the end of the range.
 *
 * @returns the ops with smaller levels, and those that correct quantised tensors
 */
export function saturate(ops: readonly Op[], { model, quantization }: BaseWeights): Op[] {
  const quantised = model.tensors.filter(({ name }) => quantization.has(name));
  const byName = new Map(quantised.map((tensor) => [tensor.name, tensor]));
  const shrunk = ops.flatMap((op) => {
    const tensor = op.kind === 'sparse' || op.kind === 'dense' ? byName.get(op.tensor) : undefined;
    return tensor ? shrink(op as SparseOp | DenseOp, tensor) : [op];
  });
  return [...shrunk, ...quantised.flatMap((tensor) => correction(shrunk, tensor))];
}

/** Takes levels as close to 0 as the range asks for; a sparse op loses positions whose level becomes 0. */
function shrink(op: SparseOp | DenseOp, tensor: Tensor): Op[] {
  const [least, most] = rangeOf(tensor);
  const integers = integersOf(tensor);
  const levels = op.levels.slice();
  for (let i = 0; i < levels.length; i++) {
    const integer = integers[op.kind === 'sparse' ? (op.positions[i] as number) : i] as number;
    const room = Math.trunc(((levels[i] as number) < 0 ? least - integer : most - integer) / op.scale);
    if (Math.abs(levels[i] as number) > Math.abs(room)) levels[i] = room;
  }
  if (op.kind === 'dense') return [{ ...op, levels: levels as Int8Array }];
  const kept = Array.from(levels.keys()).filter((i) => levels[i] !== 0);
  if (kept.length === 0) return [];
  const positions = Uint32Array.from(kept, (i) => op.positions[i] as number);
  return [{ ...op, positions, levels: Int16Array.from(kept, (i) => levels[i] as number) }];
}

/** Sums are taken in 32 bits, where they have room. */
function correction(ops: readonly Op[], tensor: Tensor): SparseOp[] {
  const { name, shape } = tensor;
  const sums = Int32Array.from(integersOf(tensor));
  const bytes = new Uint8Array(sums.buffer);
  patchRange(ops, { name, shape, dtype: 'int32' }, { startElement: 0, bytes });
  const [least, most] = rangeOf(tensor);
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

function rangeOf({ dtype }: Tensor): readonly [number, number] {
  return INTEGER_RANGES[dtype] as readonly [number, number];
}
