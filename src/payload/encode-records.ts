import type { TensorInfo } from '../model/index.js';
import { DenseLevels } from './dense-record.js';
import type { DenseOp, ExactOp, HashOp, Op, SetOp, SparseOp } from './diff.js';
import { tensorsOf } from './diff.js';
import { encodeSparse } from './encode-sparse.js';
import { codeBuckets, codePlacement } from './hash-record.js';
import { RangeEncoder } from './range-encoder.js';
import { codeTensors, ScaleCoding } from './record-head.js';
import { encodeSet } from './set-writer.js';

/** One or several ops of a kind, packed. */
export interface EncodedRecord {
  readonly kind: Op['kind'];
  readonly bytes: Uint8Array;
}

/**
 * Packs ops. Neighbouring ops of a kind with ascending tensors share a record, but for hash ops.
 *
 * @param ops the ops, checked
 * @param infos the directory, in canonical order
 */
export function encodeRecords(ops: readonly Op[], infos: readonly TensorInfo[]): EncodedRecord[] {
  const places = new Map(infos.map((info, place) => [info.name, place]));
  return groupOps(ops, places).map((group) => ({
    kind: (group[0] as Op).kind,
    bytes: encodeGroup(group, infos),
  }));
}

function groupOps(ops: readonly Op[], places: ReadonlyMap<string, number>): Op[][] {
  const groups: Op[][] = [];
  const placeOf = (op: Op): number => places.get(tensorsOf(op)[0] as string) as number;
  for (const op of ops) {
    const group = groups.at(-1);
    const last = group?.at(-1);
    const isNext = last && op.kind !== 'hash' && last.kind === op.kind && placeOf(last) < placeOf(op);
    if (isNext) group?.push(op);
    else groups.push([op]);
  }
  return groups;
}

function encodeGroup(group: readonly Op[], infos: readonly TensorInfo[]): Uint8Array {
  const [first] = group as [Op];
  if (first.kind === 'hash') return encodeHash(first, infos);
  if (first.kind === 'dense') return encodeDense(group as DenseOp[], infos);
  if (first.kind === 'set') return encodeSet(group as SetOp[], infos);
  return encodeSparse(group as (SparseOp | ExactOp)[], infos);
}

function encodeDense(ops: readonly DenseOp[], infos: readonly TensorInfo[]): Uint8Array {
  const encoder = new RangeEncoder();
  const chosen = codeTensors(encoder, infos, new Set(ops.map((op) => op.tensor)));
  const scales = new ScaleCoding(encoder);
  const coding = new DenseLevels(encoder);
  ops.forEach(({ scale, levels }, i) => {
    scales.code(chosen[i] as TensorInfo, scale);
    for (const level of levels) coding.code(level);
  });
  return encoder.finish();
}

function encodeHash(op: HashOp, infos: readonly TensorInfo[]): Uint8Array {
  const encoder = new RangeEncoder();
  const chosen = codeTensors(encoder, infos, new Set(tensorsOf(op)));
  codePlacement(encoder, { seed: op.seed, block: op.block, count: op.buckets.values.length });
  const scales = new ScaleCoding(encoder);
  op.tensors.forEach(({ scale }, i) => {
    scales.code(chosen[i] as TensorInfo, scale);
  });
  codeBuckets(encoder, op.buckets);
  return encoder.finish();
}
