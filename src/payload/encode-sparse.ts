import { elementCount, type TensorInfo } from '../model/index.js';
import type { ExactOp, SparseOp } from './diff.js';
import type { Slab } from './mapped-positions.js';
import { RangeEncoder } from './range-encoder.js';
import { codeTensors } from './record-head.js';
import { levelRange } from './sparse-levels.js';
import { RICE_BITS, SparseCoding, type SparseHead } from './sparse-record.js';
import { codeOf, rowLength, Slabs, viewOf } from './views.js';

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
  const encoder = new RangeEncoder();
  const chosen = codeTensors(encoder, infos, new Set(ops.map((op) => op.tensor)));
  const coding = new SparseCoding(encoder, (ops[0] as ChangeOp).kind);
  ops.forEach((op, i) => {
    const info = chosen[i] as TensorInfo;
    const head = choose && op.kind === 'sparse' ? choose(op, info) : chooseHead(op, info);
    coding.codeHead(info, head);
    codeValues(coding, op, { info, head });
  });
  return encoder.finish();
}

/** Tries all views: the one that takes the fewest bits is taken, the first of several. */
function chooseHead(op: ChangeOp, info: TensorInfo): SparseHead {
  const rice = riceOf(op.positions.length, elementCount(info));
  const scale = op.kind === 'sparse' ? op.scale : 1;
  const heads = [0, ...viewsOf(info)].map((view) => ({ scale, view, rice: view === 0 ? rice : 0 }));
  const costs = heads.map((head) => costOf(op, { info, head }));
  return heads[costs.indexOf(Math.min(...costs))] as SparseHead;
}

function viewsOf(info: TensorInfo): number[] {
  const splits = Array.from({ length: Math.max(1, info.shape.length) }, (_, split) => split);
  const views = splits.flatMap((split) => [
    codeOf({ split, transposed: false }),
    codeOf({ split, transposed: true }),
  ]);
  const elements = elementCount(info);
  return views.filter((view) => {
    const row = rowLength(info, viewOf(view));
    // A single line, or lines of a single element, are the same either way round.
    const isSingle = row === elements || row === 1;
    return row > 0 && !(isSingle && viewOf(view).transposed);
  });
}

function costOf(op: ChangeOp, tensor: { info: TensorInfo; head: SparseHead }): number {
  const encoder = new RangeEncoder();
  const coding = new SparseCoding(encoder, op.kind);
  coding.levels.range = levelRange(op.kind, tensor.info);
  codeValues(coding, op, tensor);
  return encoder.cost + (tensor.head.view === 0 ? RICE_BITS : 0);
}

/** The parameter at which about half of the quotients are 0: `2^rice` up to 0.69 mean gaps. */
function riceOf(count: number, elements: number): number {
  let rice = 0;
  while (rice < 31 && 2 ** (rice + 1) * count * 100 <= 69 * elements) rice++;
  return rice;
}

function codeValues(
  { plain, mapped, levels }: SparseCoding,
  op: ChangeOp,
  { info, head }: { info: TensorInfo; head: SparseHead },
): void {
  if (head.view > 0) {
    const slabs = new Slabs(info, viewOf(head.view));
    for (let from = 0; slabs.size > 0; ) from = codeSlab(slabs, op, { from, mapped });
    return;
  }
  const bounds = { rice: head.rice, elements: elementCount(info) };
  levels.startLine();
  let from = 0;
  op.positions.forEach((position, i) => {
    plain.code(from, bounds, position);
    levels.code(op.levels[i]);
    from = position + 1;
  });
  plain.code(from, bounds, bounds.elements);
}

/** @returns the number of positions up to the slab's end */
function codeSlab(
  slabs: Slabs,
  op: ChangeOp,
  { from, mapped }: { from: number; mapped: SparseCoding['mapped'] },
): number {
  const { start, size } = slabs;
  const room = new Int32Array(size);
  let i = from;
  for (; i < op.positions.length && (op.positions[i] as number) < start + size; i++)
    room[(op.positions[i] as number) - start] = op.levels[i] as number;
  const slab = slabs.next(room);
  mapped.code({ ...slab, occupied: occupiedLines(slab) });
  return i;
}

function occupiedLines({ levels, lines, length, lineStep, step }: Slab): Uint8Array {
  const occupied = new Uint8Array(lines);
  for (let line = 0; line < lines; line++)
    for (let i = 0, at = line * lineStep; i < length; i++, at += step)
      if (levels[at] !== 0) occupied[line] = 1;
  return occupied;
}
