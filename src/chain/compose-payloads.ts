import { diffModels } from '../exact-diff/diff-stores.js';
import { NeuralDiffError } from '../model/errors.js';
import { canonicalOrder, DTYPES, type Tensor, type TensorInfo } from '../model/tensor.js';
import { readDiff } from '../payload/decode.js';
import {
  type DenseOp,
  type ExactOp,
  isSet,
  type Meta,
  type Op,
  type PayloadHeader,
  type SetOp,
  type SparseOp,
  tensorsOf,
} from '../payload/diff.js';
import { encodePayload } from '../payload/encode.js';
import { MAX_DENSE_LEVEL, MAX_SPARSE_LEVEL } from '../payload/limits.js';
import { type OpenPayload, openPayload } from '../payload/open-payload.js';
import { wrapDifference } from '../payload/ordered-bits.js';
import { patchModel, patchRange } from '../payload/patch.js';
import { checkChain } from './patch-chain.js';

/** Consecutive payloads composed into one. */
export interface ComposedPayload {
  readonly payload: Uint8Array;
  /** Fingerprints, as hexadecimal strings: base of the first payload, next of the last. */
  readonly base: string;
  readonly next: string;
  /** Sizes of the payloads it replaces, in bytes. */
  readonly partBytes: readonly number[];
}

/**
 * Composes consecutive payloads into one, which turns the base of the first into the result of the last, bit
 * for bit as applying them one after the other. Their ops are kept in order, with one rounding each; ops that
 * can be merged without changing a bit are merged if that makes the file smaller. More ops than a payload may
 * have become a lossless diff.
 *
 * @param payloads at least one, each made for the result of the previous one
 * @param options `tensors`: those of the base of the first; with their bytes where a payload has delta
 *   records, or where there may be too many ops
 * @returns the payload; nothing is applied, so verify it on a base before you ship it
 * @throws NeuralDiffError `broken-chain`; `wrong-layout` for tensors of another model; `wrong-base` for delta
 *   records without the bytes of the base; `limit-exceeded` for too many ops without them; the payloads' own
 *   codes
 *
 * @example
 * const { tensors } = await openModel('models/v1');
 * const payloads = [await readPayload('v2.ndiff'), await readPayload('v3.ndiff')];
 * const { payload, base, next } = await composePayloads(payloads, { tensors });
 * console.log(payload.length, base, next);
 */
export async function composePayloads(
  payloads: readonly Uint8Array[],
  options: { readonly tensors: readonly (TensorInfo | Tensor)[]; readonly meta?: Meta },
): Promise<ComposedPayload> {
  if (payloads.length === 0) throw new RangeError('Cannot compose payloads: expected at least one');
  const parts: OpenPayload[] = [];
  for (const bytes of payloads) parts.push(await openPayload(bytes));
  const headers = parts.map(({ header }) => header);
  checkChain(headers);
  const ops: Op[] = [];
  let model = options.tensors;
  for (const part of parts) {
    const diff = await readDiff(part, model);
    ops.push(...diff.ops);
    if (isModel(model)) model = patchModel({ tensors: model }, diff).tensors;
  }
  const [{ base }, { next, meta }] = [headers[0] as PayloadHeader, headers.at(-1) as PayloadHeader];
  const tensors = canonicalOrder(options.tensors);
  const facts = { base, next, tensors, meta: options.meta ?? meta };
  const lossless = isModel(options.tensors) &&
    isModel(model) && { from: options.tensors, to: model, meta: facts.meta };
  const payload = await smallest(facts, ops, lossless);
  await openPayload(payload);
  const partBytes = payloads.map((bytes) => bytes.length);
  return { payload, base, next, partBytes };
}

/** The models before and after, for a lossless diff between them. */
interface Ends {
  readonly from: readonly Tensor[];
  readonly to: readonly Tensor[];
  readonly meta: Meta;
}

/**
 * @returns the smallest payload with the ops as they are, merged, or, with delta records or more ops than a
 *   payload may have, with a lossless diff in their place
 */
async function smallest(
  facts: Parameters<typeof encodePayload>[0],
  ops: readonly Op[],
  ends: Ends | false,
): Promise<Uint8Array> {
  const found: Uint8Array[] = [];
  let problem: unknown;
  for (const each of [ops, mergeOps(ops, facts.tensors)])
    try {
      found.push(await encodePayload(facts, { ops: each }));
    } catch (error) {
      if (!(error instanceof NeuralDiffError && error.code === 'limit-exceeded')) throw error;
      problem = error;
    }
  if (ends && (found.length === 0 || ops.some(({ kind }) => kind === 'delta')))
    found.push((await diffModels({ tensors: ends.from }, { tensors: ends.to }, ends.meta)).payload);
  const [first] = found;
  if (first === undefined) throw problem;
  return found.reduce((best, each) => (each.length < best.length ? each : best), first);
}

function isModel(tensors: readonly (TensorInfo | Tensor)[]): tensors is readonly Tensor[] {
  return tensors.every((tensor) => 'bytes' in tensor);
}

/**
 * Two ops merged into one, and the part of the second that could not be merged; an op without positions is
 * left out.
 */
interface Merged {
  readonly first: Op | undefined;
  readonly rest: Op | undefined;
}

/**
 * Merges ops where that changes no bit of any result. An op is merged into the last previous op on its tensor
 * if both are of one kind and scale (exact ops have no scale):
 *
 * - sparse ops, at positions that only one of them changes; at shared positions the second op's levels
 *   remain, as floats are rounded after each op;
 * - sparse and dense ops on integers, where levels of one sign add up, as sums saturate at the ends of the
 *   range;
 * - exact ops, whose levels add up;
 * - set ops, which absorb later ops and make earlier ones redundant.
 *
 * @param ops a diff's ops, in order
 * @param infos the model's tensors
 * @returns as many ops or fewer
 */
export function mergeOps(ops: readonly Op[], infos: readonly TensorInfo[]): Op[] {
  const byName = new Map(infos.map((info) => [info.name, info]));
  const merged: (Op | undefined)[] = [];
  const lastOf = new Map<string, number>();
  const push = (op: Op): void => {
    for (const name of tensorsOf(op)) lastOf.set(name, merged.length);
    merged.push(op);
  };
  for (const op of ops) {
    const [name] = tensorsOf(op) as [string];
    const place = lastOf.get(name) ?? -1;
    const pair = mergePair(merged[place], op, byName.get(name) as TensorInfo);
    if (pair === undefined) {
      push(op);
      continue;
    }
    merged[place] = pair.first;
    if (pair.rest) push(pair.rest);
  }
  return merged.filter((op) => op !== undefined);
}

function mergePair(first: Op | undefined, second: Op, info: TensorInfo): Merged | undefined {
  if (first && isSet(first) && second.kind !== 'hash')
    return { first: patchSet(first, second, info), rest: undefined };
  if (isSet(second) && first && first.kind !== 'hash') return { first: second, rest: undefined };
  if (first?.kind === 'sparse' && second.kind === 'sparse') return mergeSparse(first, second, info);
  if (first?.kind === 'exact' && second.kind === 'exact') return mergeExact(first, second, info);
  if (first?.kind === 'dense' && second.kind === 'dense') return mergeDense(first, second, info);
  return undefined;
}

/** @returns the set op with another op applied to its elements */
function patchSet(first: SetOp, second: Op, info: TensorInfo): SetOp {
  const bytes = first.bytes.slice();
  patchRange([second], info, { startElement: 0, bytes });
  return { ...first, bytes };
}

/**
 * Adds levels of integer tensors: products of levels and scales (8 significant bits) are exact, and so are
 * their sums.
 */
function sumOf(info: TensorInfo, most: number): (a: number, b: number) => number | undefined {
  const isInteger = DTYPES[info.dtype].kind === 'integer';
  return (a, b) => (isInteger && a * b >= 0 && Math.abs(a + b) <= most ? a + b : undefined);
}

function mergeDense(first: DenseOp, second: DenseOp, info: TensorInfo): Merged | undefined {
  if (first.scale !== second.scale) return undefined;
  const add = sumOf(info, MAX_DENSE_LEVEL);
  const sums = Array.from(first.levels, (level, i) => add(level, second.levels[i] as number));
  if (sums.includes(undefined)) return undefined;
  return { first: { ...first, levels: Int8Array.from(sums as number[]) }, rest: undefined };
}

function mergeSparse(first: SparseOp, second: SparseOp, info: TensorInfo): Merged | undefined {
  if (first.scale !== second.scale) return undefined;
  const { merged, rest } = mergeLevels(first, second, sumOf(info, MAX_SPARSE_LEVEL));
  const opOf = ({ positions, levels }: Values): Op | undefined =>
    positions.length === 0
      ? undefined
      : { ...first, positions: Uint32Array.from(positions), levels: Int16Array.from(levels) };
  return { first: opOf(merged), rest: opOf(rest) };
}

function mergeExact(first: ExactOp, second: ExactOp, info: TensorInfo): Merged {
  const { merged } = mergeLevels(first, second, (a, b) => wrapDifference(info, a + b));
  if (merged.positions.length === 0) return { first: undefined, rest: undefined };
  const [positions, levels] = [Uint32Array.from(merged.positions), Int32Array.from(merged.levels)];
  return { first: { ...first, positions, levels }, rest: undefined };
}

/** Positions with a level each, in ascending order. */
interface Values {
  readonly positions: ArrayLike<number>;
  readonly levels: ArrayLike<number>;
}

class ValueList implements Values {
  readonly positions: number[] = [];
  readonly levels: number[] = [];

  /** Appends a level unless it is 0. */
  push(position: number, level: number): void {
    if (level === 0) return;
    this.positions.push(position);
    this.levels.push(level);
  }
}

/**
 * Merges two lists of levels.
 *
 * @param add returns the level for a position that is in both; undefined if the two levels cannot be merged
 * @returns the merged list, and the part of `b` that could not be merged
 */
function mergeLevels(
  a: Values,
  b: Values,
  add: (a: number, b: number) => number | undefined,
): { merged: ValueList; rest: ValueList } {
  const [merged, rest] = [new ValueList(), new ValueList()];
  let i = 0;
  for (let j = 0; j < b.positions.length; j++) {
    const [position, level] = [b.positions[j] as number, b.levels[j] as number];
    for (; i < a.positions.length && (a.positions[i] as number) < position; i++)
      merged.push(a.positions[i] as number, a.levels[i] as number);
    if (a.positions[i] !== position) {
      merged.push(position, level);
      continue;
    }
    const sum = add(a.levels[i] as number, level);
    merged.push(position, sum ?? (a.levels[i] as number));
    if (sum === undefined) rest.push(position, level);
    i++;
  }
  for (; i < a.positions.length; i++) merged.push(a.positions[i] as number, a.levels[i] as number);
  return { merged, rest };
}
