import { DTYPES, type Tensor } from '../../model/tensor.js';
import type { ExactOp, Op } from '../../payload/diff.js';
import { encodeRecords, SetTrial } from '../../payload/encode-records.js';
import { chooseHead } from '../../payload/sparse-writer.js';
import { exactOps } from '../diff-stores.js';
import { asDense, fitStep, largestThatFits, numberOf, patchTensor, shortFloat } from './quantise.js';
import { comparePair, relativeError, type TensorPair } from './tensor-pair.js';

/** Ways to pack a tensor's changes within an error: ops in the order in which they are applied. */
export interface Fit {
  /** The shortest of all ways in records of its own. */
  readonly shortest: readonly Op[];
  /** The shortest of those that share a record with most tensors. */
  readonly usual: readonly Op[];
}

/** A tensor that differs in two models. */
export interface Part {
  readonly name: string;
  readonly bytes: number;
  /** Of floats alone: integers are exact. */
  readonly pair: TensorPair | undefined;
  /** What makes the next tensor bit for bit. */
  readonly exact: readonly Op[];
  /** Packs the changes; from an error of 1 on, only what must be exact. */
  fit(error: number): Fit;
}

/** Ops and the bytes of their records. */
interface SizedOps {
  readonly ops: readonly Op[];
  readonly bytes: number;
}

/** @returns a tensor's part of a diff; undefined where all bits are the same */
export function createPart(before: Tensor, after: Tensor): Part | undefined {
  const [op] = exactly(before, after);
  if (op === undefined) return undefined;
  const exact = [shortestExact(op, after)];
  const facts = { name: before.name, bytes: before.bytes.length, exact };
  if (DTYPES[before.dtype].kind === 'integer')
    return { ...facts, pair: undefined, fit: () => ({ shortest: exact, usual: exact }) };
  const pair = comparePair(before, after);
  // Halves are thinned out for each error; the exact op of other tensors is the same for all.
  const whole = before.dtype === 'float32' ? sizedOps(pair, exact) : undefined;
  return { ...facts, pair, fit: (error) => fitPair(pair, { error, whole }) };
}

/** @returns the op, or one that sets all elements where that is shorter */
function shortestExact(op: ExactOp, after: Tensor): Op {
  const { bits } = chooseHead(after, { kind: 'exact', scale: 1, count: op.positions.length }, op);
  // Elements may start anywhere in their buffer.
  const bytes = after.bytes.slice();
  const whole = new SetTrial();
  whole.add(after, bytes);
  return bits <= whole.bits ? op : { kind: 'set', tensor: after.name, bytes };
}

function fitPair(pair: TensorPair, { error, whole }: { error: number; whole: SizedOps | undefined }): Fit {
  const { before, change } = pair;
  if (change === 0 || error >= 1) {
    const ops = corrections(pair, []);
    return { shortest: ops, usual: ops };
  }
  const exact = whole ?? sizedOps(pair, exactly(before, dropSmallChanges(pair, error)));
  const sparse = fitStep(pair, error);
  if (sparse === undefined) return { shortest: exact.ops, usual: exact.ops };
  const dense = asDense(before, sparse);
  const mending = corrections(pair, [sparse]);
  const usual = shorter(sizedOps(pair, [sparse, ...mending]), exact);
  const shortest = dense ? shorter(usual, sizedOps(pair, [dense, ...mending])) : usual;
  return { shortest: shortest.ops, usual: usual.ops };
}

function sizedOps({ before }: TensorPair, ops: readonly Op[]): SizedOps {
  const bytes = encodeRecords(ops, [before]).reduce((sum, record) => sum + record.bytes.length, 0);
  return { ops, bytes };
}

function shorter(first: SizedOps, second: SizedOps): SizedOps {
  return second.bytes < first.bytes ? second : first;
}

/** @returns what moves strays to their bits behind other ops */
function corrections({ before, after, nonFinite: strays }: TensorPair, ops: readonly Op[]): Op[] {
  if (strays.length === 0) return [];
  const patched = patchTensor(before, ops);
  const bytes = patched.bytes.slice();
  const size = DTYPES[before.dtype].bytes;
  for (const stray of strays) bytes.set(after.bytes.subarray(stray * size, (stray + 1) * size), stray * size);
  return exactly(patched, { ...patched, bytes });
}

function exactly(from: Tensor, to: Tensor): ExactOp[] {
  return exactOps({ tensors: [from] }, { tensors: [to] });
}

/** Changes below this share of the largest are left out together. */
const FINEST = 2 ** -20;

/**
 * Leaves the smallest changes out, as many as an error allows. Where halves change by a few units in the last place, no
 * quantiser saves more: what it gives is rounded to the same places.
 *
 * @param error above 0
 * @returns the next tensor with the other elements as they were before
 */
export function dropSmallChanges(pair: TensorPair, error: number): Tensor {
  const { before, after, from, to, change, largest } = pair;
  const bounds = { least: numberOf(largest * FINEST), most: numberOf(largest) };
  const threshold = largestThatFits(bounds, (number) => {
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

/** @returns the sum of the squared changes that are not above a threshold */
function squaresUpTo({ from, to }: TensorPair, threshold: number): number {
  let sum = 0;
  for (let i = 0; i < from.length; i++) {
    const step = Math.abs((to[i] as number) - (from[i] as number));
    if (step <= threshold) sum += step ** 2;
  }
  return sum;
}
