import { canonicalOrder, DTYPES, type TensorInfo } from '../model/tensor.js';
import { type OpenPayload, openPayload, readDiff } from '../payload/decode.js';
import {
  type DenseOp,
  type ExactOp,
  type Meta,
  type Op,
  type PayloadHeader,
  type SetOp,
  type SparseOp,
  tensorsOf,
} from '../payload/diff.js';
import { encodePayload } from '../payload/encode.js';
import { MAX_DENSE_LEVEL, MAX_SPARSE_LEVEL } from '../payload/limits.js';
import { wrapDifference } from '../payload/ordered-bits.js';
import { patchRange } from '../payload/patch.js';
import { checkChain } from './patch-chain.js';

/** Payloads in a row as one. */
export interface ComposedPayload {
  readonly payload: Uint8Array;
  /** Fingerprints in hexadecimal digits: base of the first, next of the last. */
  readonly base: string;
  readonly next: string;
  /** Bytes of the payloads that it stands for. */
  readonly partBytes: readonly number[];
}

/**
 * Makes one payload of payloads in a row: it turns the base of the first into the result of the last, bit for bit as
 * they do one after the other. Their ops are kept in order, one rounding each; those that merge without changing a bit
 * are merged where that makes the file smaller.
 *
 * @param payloads at least one, each made for the result of the one before
 * @returns the payload; nothing is applied, so try it on a base before it is shipped
 * @throws NeuralDiffError `broken-chain`; `wrong-layout` for tensors of another model; `limit-exceeded` for too many ops;
 *   the payloads' own codes
 *
 * @example
 * const { payload } = await composePayloads([first, second], { tensors: store.tensors });
 */
export async function composePayloads(
  payloads: readonly Uint8Array[],
  options: { readonly tensors: readonly TensorInfo[]; readonly meta?: Meta },
): Promise<ComposedPayload> {
  if (payloads.length === 0) throw new RangeError('Cannot compose payloads: expected at least one');
  const parts: OpenPayload[] = [];
  for (const bytes of payloads) parts.push(await openPayload(bytes));
  const headers = parts.map(({ header }) => header);
  checkChain(headers);
  const ops: Op[] = [];
  for (const part of parts) ops.push(...(await readDiff(part, options.tensors)).ops);
  const [{ base }, { next, meta }] = [headers[0] as PayloadHeader, headers.at(-1) as PayloadHeader];
  const tensors = canonicalOrder(options.tensors);
  const facts = { base, next, tensors, meta: options.meta ?? meta };
  const candidates = [
    await encodePayload(facts, { ops }),
    await encodePayload(facts, { ops: mergeOps(ops, tensors) }),
  ];
  const [plain, merged] = candidates as [Uint8Array, Uint8Array];
  const payload = merged.length < plain.length ? merged : plain;
  await openPayload(payload);
  const partBytes = payloads.map((bytes) => bytes.length);
  return { payload, base: base, next: next, partBytes };
}

/** Two ops as one, and what of the second one does not go into it; without positions an op is left out. */
interface Merged {
  readonly first: Op | undefined;
  readonly rest: Op | undefined;
}

/**
 * Merges ops that may be merged without changing a bit of any result. An op goes into the last one before it that
 * touches its tensor, when both are of one kind and scale (exact ops have none):
 *
 * - sparse ops at positions that only one of them changes; at others the second one's stay behind, since floats are
 *   rounded after each;
 * - sparse and dense ops of integers where levels of one sign add up, since sums stop at the ends of a range;
 * - exact ops, whose levels add up;
 * - set ops, which take what comes after them, and make what was before them idle.
 *
 * @param ops a diff's ops, in order
 * @param infos the model's tensors
 * @returns the ops, no more of them
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
  if (first?.kind === 'set' && second.kind !== 'hash')
    return { first: patchSet(first, second, info), rest: undefined };
  if (second.kind === 'set' && first && first.kind !== 'hash') return { first: second, rest: undefined };
  if (first?.kind === 'sparse' && second.kind === 'sparse') return mergeSparse(first, second, info);
  if (first?.kind === 'exact' && second.kind === 'exact') return mergeExact(first, second, info);
  if (first?.kind === 'dense' && second.kind === 'dense') return mergeDense(first, second, info);
  return undefined;
}

/** @returns what an op makes of the elements that another has set */
function patchSet(first: SetOp, second: Op, info: TensorInfo): SetOp {
  const bytes = first.bytes.slice();
  patchRange([second], info, { startElement: 0, bytes });
  return { ...first, bytes };
}

/** Products of levels and scales of integers are exact, and so are their sums: scales have 8 significant bits. */
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

/** Positions, and a level each. */
interface Values {
  readonly positions: ArrayLike<number>;
  readonly levels: ArrayLike<number>;
}

class ValueList implements Values {
  readonly positions: number[] = [];
  readonly levels: number[] = [];

  /** Takes a level unless it is 0. */
  push(position: number, level: number): void {
    if (level === 0) return;
    this.positions.push(position);
    this.levels.push(level);
  }
}

/**
 * @param add the level for a position that both have, or nothing where two levels do not make one
 * @returns what both have as one list; what of `b` stays behind
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
