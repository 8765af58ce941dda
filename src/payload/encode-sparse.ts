import { elementCount, type TensorInfo } from '../model/index.js';
import { chooseHead } from './choose-head.js';
import type { ExactOp, SparseOp } from './diff.js';
import type { SparseHead } from './sparse-record.js';
import { SparseWriter } from './sparse-writer.js';

/** An op that names positions. */
type ChangeOp = SparseOp | ExactOp;

/** Decides how a sparse op's positions are coded. */
export type ChooseHead = (op: SparseOp, info: TensorInfo) => SparseHead;

/**
 * @param ops sparse ops, or exact ones, at least one, with ascending tensors
 * @param infos the directory
 * @param choose how positions of sparse ops are coded: in the fewest bits unless given
 * @returns their record
 */
export function encodeSparse(
  ops: readonly ChangeOp[],
  infos: readonly TensorInfo[],
  choose?: ChooseHead,
): Uint8Array {
  const { kind } = ops[0] as ChangeOp;
  const byName = new Map(infos.map((info) => [info.name, info]));
  const writer = new SparseWriter(infos, { kind, tensors: new Set(ops.map((op) => op.tensor)) });
  for (const op of ops) {
    const info = byName.get(op.tensor) as TensorInfo;
    writer.open(info, choose && op.kind === 'sparse' ? choose(op, info) : headOf(op, info));
    writer.write(op, elementCount(info));
  }
  return writer.finish();
}

function headOf(op: ChangeOp, info: TensorInfo): SparseHead {
  const scale = op.kind === 'sparse' ? op.scale : 1;
  return chooseHead(info, { kind: op.kind, scale, count: op.positions.length }, op).head;
}
