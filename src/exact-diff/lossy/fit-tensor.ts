import { DTYPES, type Tensor, wordsOf } from '../../model/tensor.js';
import type { ExactOp, Op } from '../../payload/diff.js';
import { encodeRecords, SetTrial } from '../../payload/encode-records.js';
import { chooseHead } from '../../payload/sparse-writer.js';
import { exactOps } from '../diff-stores.js';
import { asDense, bisectLargest, fitStep, numberOf, patchTensor, shortFloat } from './quantise.js';
import { comparePair, relativeError, type TensorPair } from './tensor-pair.js';

/** Encodings of a tensor's changes within an error: ops in the order in which they are applied. */
export interface Fit {
  /** The shortest encoding, if each tensor had its own records. */
  readonly shortest: readonly Op[];
  /** The shortest encoding of the kinds that can share a record with most other tensors. */
  readonly usual: readonly Op[];
}

/** A tensor that differs between two models. */
export interface Part {
  readonly name: string;
  readonly bytes: number;
  /** Only for floats of 16 and 32 bits: all else is coded exactly. */
  readonly pair: TensorPair | undefined;
  /** Ops that reproduce the next tensor bit for bit. */
  readonly exact: readonly Op[];
  /** Encodes the changes within an error; from 1 on, only the parts that must be exact. */
  fit(error: number): Fit;
}

/** Ops and the size of their records in bytes. */
interface SizedOps {
  readonly ops: readonly Op[];
  readonly bytes: number;
}

/** @returns a tensor's part of a diff; undefined if all bits are the same */
export function createPart(before: Tensor, after: Tensor): Part | undefined {
  const [op] = exactOp(before, after);
  if (op === undefined) return undefined;
  const exact = [shortestExact(op, after)];
  const facts = { name: before.name, bytes: before.bytes.length, exact };
  if (DTYPES[wordsOf(before).dtype].kind === 'integer')
    return { ...facts, pair: undefined, fit: () => ({ shortest: exact, usual: exact }) };
  const pair = comparePair(before, after);
  // float16 and bfloat16 drop small changes for each error; for float32 the exact op is always the same.
  const whole = before.dtype === 'float32' ? sizedOps(pair, exact) : undefined;
  return { ...facts, pair, fit: (error) => fitPair(pair, { error, whole }) };
}

/** @returns the op, or one that sets all elements if that is shorter */
function shortestExact(op: ExactOp, after: Tensor): Op {
  const info = wordsOf(after);
  const { bits } = chooseHead(info, { kind: 'exact', scale: 1, count: op.positions.length }, op);
  // `slice` aligns elements that start anywhere in their buffer.
  const bytes = after.bytes.slice();
  const whole = new SetTrial();
  whole.add(info, bytes);
  return bits <= whole.bits ? op : { kind: 'set', tensor: after.name, bytes };
}

function fitPair(pair: TensorPair, { error, whole }: { error: number; whole: SizedOps | undefined }): Fit {
  const { before, change } = pair;
  if (change === 0 || error >= 1) {
    const ops = corrections(pair, []);
    return { shortest: ops, usual: ops };
  }
  const exact = whole ?? sizedOps(pair, exactOp(before, dropSmallChanges(pair, error)));
  const sparse = fitStep(pair, error);
  if (sparse === undefined) return { shortest: exact.ops, usual: exact.ops };
  const dense = asDense(before, sparse);
  const fixes = corrections(pair, [sparse]);
  const usual = shorter(sizedOps(pair, [sparse, ...fixes]), exact);
  const shortest = dense ? shorter(usual, sizedOps(pair, [dense, ...fixes])) : usual;
  return { shortest: shortest.ops, usual: usual.ops };
}

function sizedOps({ before }: TensorPair, ops: readonly Op[]): SizedOps {
  const bytes = encodeRecords(ops, [before]).reduce((sum, record) => sum + record.bytes.length, 0);
  return { ops, bytes };
}

function shorter(first: SizedOps, second: SizedOps): SizedOps {
  return second.bytes < first.bytes ? second : first;
}

/** @returns an exact op that sets the non-finite elements after other ops are applied */
function corrections({ before, after, nonFinite }: TensorPair, ops: readonly Op[]): Op[] {
  if (nonFinite.length === 0) return [];
  const patched = patchTensor(before, ops);
  const bytes = patched.bytes.slice();
  const size = DTYPES[before.dtype].bytes;
  for (const i of nonFinite) bytes.set(after.bytes.subarray(i * size, (i + 1) * size), i * size);
  return exactOp(patched, { ...patched, bytes });
}

/** @returns one op, or none if the tensors are the same */
function exactOp(from: Tensor, to: Tensor): ExactOp[] {
  return exactOps({ tensors: [from] }, { tensors: [to] });
}

/** Smallest threshold tried below which changes are dropped, as a share of the largest change. */
const FINEST = 2 ** -20;

/**
 * Drops the smallest changes, as many as an error allows. Where half-precision elements change by a few units
 * in the last place, no quantiser does better, as its result is rounded to the same places.
 *
 * @param error above 0
 * @returns the next tensor with the dropped elements as in the base
 */
function dropSmallChanges(pair: TensorPair, error: number): Tensor {
  const { before, after, from, to, change, largest } = pair;
  const bounds = { least: numberOf(largest * FINEST), most: numberOf(largest) };
  const threshold = bisectLargest(bounds, (number) => {
    const tried = shortFloat(number);
    return relativeError({ left: squaresUpTo(pair, tried), change }) <= error ? tried : undefined;
  });
  const bytes = after.bytes.slice();
  const size = DTYPES[after.dtype].bytes;
  for (let i = 0; i < from.length; i++) {
    if (!(Math.abs((to[i] as number) - (from[i] as number)) <= (threshold ?? 0))) continue;
    for (let at = i * size; at < (i + 1) * size; at++) bytes[at] = before.bytes[at] as number;
  }
  return { ...after, bytes };
}

/** @returns the sum of the squared changes of at most a threshold */
function squaresUpTo({ from, to }: TensorPair, threshold: number): number {
  let sum = 0;
  for (let i = 0; i < from.length; i++) {
    const step = Math.abs((to[i] as number) - (from[i] as number));
    if (step <= threshold) sum += step ** 2;
  }
  return sum;
}
