import type { NeuralDiffError } from '../../model/errors.js';
import type { WeightStore } from '../../model/store.js';
import { byteLength, DTYPES, type TensorInfo } from '../../model/tensor.js';
import { describe, differs } from '../compare-stores.js';
import { type DiffOptions, follow } from '../diff-stores.js';
import type { StorePair } from '../pairs.js';
import { canCast, countRounded, openView, type TensorPair } from './cast.js';
import { bytesToMatch, type Group, matchContent } from './match-content.js';
import { groupBy, matchEqualNames, matchNames, type TensorLists, without } from './match-names.js';

/** What may be made of the next model's tensors. */
export interface MatchOptions extends Pick<DiffOptions, 'signal' | 'onProgress'> {
  /** Takes tensors of other names where their content or the names' ends show which they are; true unless given. */
  readonly rename?: boolean;
  /** Casts float32 to the base's float16 or bfloat16, rounding to nearest even, and back; false unless given. */
  readonly cast?: boolean;
}

/** The next model in the base's terms, and what it took. */
export interface StoreMatch {
  /** The next model's weights under the base's names and in its dtypes. It reads from the next model's store, which is the caller's to close. */
  readonly store: WeightStore;
  /** Names of tensors that have another name in the next model: the base's, the next model's; in the base's order. */
  readonly renamed: readonly (readonly [base: string, next: string])[];
  readonly castTensors: number;
  /** Elements of those tensors that are not kept bit for bit; 0 where all casts are exact. */
  readonly roundedElements: number;
}

/**
 * Finds for each tensor of the base the one of the next model that it should become, for `diffStores`.
 *
 * 1. Tensors of equal names, with a prefix taken off that all names of one model have more, then of names of which one ends as the
 * other reads; not where exporters may have numbered tensors anew. 2. Among those that are left of one shape and dtype: identical bytes, then the least mean difference, in bits, of a sample.
 * What is not clear is refused, and a tensor is taken once. Reads a chunk at a time; what has counterparts by name is not read, but
 * to count what a cast rounds.
 *
 * @param base the model on the devices
 * @param next the model that they should have, with other names or dtypes perhaps; as many tensors, of the same shapes
 * @throws NeuralDiffError `wrong-layout` where a tensor has no counterpart or several; whatever the stores throw; the signal's reason
 *
 * @example
 * const { store, renamed } = await matchStores(await openModel('v1'), await openModel('v2.onnx'));
 */
export async function matchStores(
  base: WeightStore,
  next: WeightStore,
  options: MatchOptions = {},
): Promise<StoreMatch> {
  const { rename = true, cast = false } = options;
  const lists = { base: base.tensors, next: next.tensors };
  const named = (rename ? matchNames : matchEqualNames)(lists, fitsWith(cast));
  const found = new Map(named.pairs.map((pair) => [pair.base, pair]));
  if (!isEmpty(named.left)) {
    if (!rename)
      throw unmatched(named.left, {
        wouldCast: !cast && isEmpty(matchEqualNames(named.left, fitsWith(true)).left),
      });
    for (const pair of await matchLeft({ base, next }, named.left, options)) found.set(pair.base, pair);
  }
  const pairs = base.tensors.map((info) => found.get(info) as TensorPair);
  return {
    store: openView(next, pairs),
    renamed: pairs
      .map((pair) => [pair.base.name, pair.next.name] as const)
      .filter(([to, from]) => to !== from),
    ...(await countCasts(
      next,
      pairs.filter((pair) => pair.base.dtype !== pair.next.dtype),
      options,
    )),
  };
}

function fitsWith(cast: boolean): (pair: TensorPair) => boolean {
  return ({ base, next }) =>
    `${next.shape}` === `${base.shape}` &&
    (cast ? canCast(next.dtype, base.dtype) : next.dtype === base.dtype);
}

function isEmpty({ base, next }: TensorLists): boolean {
  return base.length + next.length === 0;
}

/** Matches by content what names leave, one group of tensors of a shape and dtype after the other. */
async function matchLeft(stores: StorePair, left: TensorLists, options: MatchOptions): Promise<TensorPair[]> {
  const { cast = false } = options;
  const groups = groupLeft(left, cast);
  const odd = groups.filter((group) => !isMatchable(group));
  if (odd.length > 0)
    throw unmatched(join(odd), { wouldCast: !cast && groupLeft(left, true).every(isMatchable) });
  const work = follow(
    'match',
    groups.map(bytesToMatch).reduce((sum, bytes) => sum + bytes, 0),
    options,
  );
  const pairs: TensorPair[] = [];
  for (const group of groups) {
    const found = await matchContent(stores, group, work);
    if (found.length < group.base.length) throw ambiguous(without(group, found));
    pairs.push(...found);
  }
  return pairs;
}

/**
 * Tensors of the base's own dtype are preferred to those that need a cast. Where there are others of their shape that a cast would let in,
 * content must say that the preference is right.
 */
function groupLeft({ base, next }: TensorLists, cast: boolean): Group[] {
  const groupsBy = (lists: TensorLists, keyOf: (info: TensorInfo) => string): TensorLists[] => {
    const group = (list: readonly TensorInfo[]) => groupBy(list, (info) => [keyOf(info)]);
    const [bases, nexts] = [group(lists.base), group(lists.next)];
    const keys = new Set([...bases.keys(), ...nexts.keys()]);
    return [...keys].map((key) => ({ base: bases.get(key) ?? [], next: nexts.get(key) ?? [] }));
  };
  const exact = groupsBy({ base, next }, describe);
  if (!cast) return exact.map((group) => ({ ...group, isContested: false }));
  const rest = groupsBy(join(exact.filter((group) => !isMatchable(group))), kindOf);
  const groups = [...exact.filter(isMatchable), ...rest];
  const kinds = groupBy(groups, (group) => [kindOf([...group.base, ...group.next][0] as TensorInfo)]);
  return [...kinds.values()].flatMap((rivals) =>
    rivals.map((group) => ({ ...group, isContested: rivals.length > 1 })),
  );
}

/** @returns shape and dtype, where casts between floats are allowed */
function kindOf({ dtype, shape }: TensorInfo): string {
  return `${DTYPES[dtype].kind === 'float' ? 'float' : dtype}[${shape}]`;
}

function join(groups: readonly TensorLists[]): TensorLists {
  return { base: groups.flatMap(({ base }) => base), next: groups.flatMap(({ next }) => next) };
}

/** @returns whether each tensor of the base may become each of the next model, and there are as many */
function isMatchable({ base, next }: TensorLists): boolean {
  const [first] = base;
  if (first === undefined || base.length !== next.length) return false;
  return (
    base.every(({ dtype }) => dtype === first.dtype) && next.every(({ dtype }) => canCast(dtype, first.dtype))
  );
}

async function countCasts(
  next: WeightStore,
  pairs: readonly TensorPair[],
  options: MatchOptions,
): Promise<Pick<StoreMatch, 'castTensors' | 'roundedElements'>> {
  const total = pairs.reduce((sum, pair) => sum + byteLength(pair.next), 0);
  const work = follow('cast', total, options);
  let roundedElements = 0;
  for (const pair of pairs) roundedElements += await countRounded(next, pair, work);
  return { castTensors: pairs.length, roundedElements };
}

/** Names that a message has room for. */
const MOST_NAMES = 5;

/** @returns a refusal of tensors of which one model has more than the other, or of other types or shapes */
export function unmatched(left: TensorLists, { wouldCast = false } = {}): NeuralDiffError {
  const advice = wouldCast ? 'allow casts (--cast), or ship the full model' : undefined;
  return differs(describeUnmatched(left), advice);
}

function describeUnmatched({ base, next }: TensorLists): string {
  const byName = new Map(next.map((info) => [info.name, info]));
  for (const info of base) {
    const found = byName.get(info.name);
    if (found && describe(found) !== describe(info))
      return `tensor "${info.name}" is ${describe(info)} in the base, ${describe(found)} in the next model`;
  }
  const inNext = groupBy(next, (info) => [describe(info)]);
  for (const [type, own] of groupBy(base, (info) => [describe(info)])) {
    const others = inNext.get(type)?.length ?? 0;
    // Names that count for nothing may be in both.
    if (others !== own.length && own.some(({ name }) => byName.has(name)))
      return `of ${type} the base has ${own.length} tensors without a counterpart (${namesOf(own)}), the next model ${others}`;
  }
  const missing = `the base's ${listOf(base)} ${is(base)} not in the next model`;
  const added = `the next model's ${listOf(next)} ${is(next)} not in the base`;
  return [...(base.length > 0 ? [missing] : []), ...(next.length > 0 ? [added] : [])].join(', ');
}

/** @returns a refusal of tensors whose content does not say which is which */
export function ambiguous({ base, next }: TensorLists): NeuralDiffError {
  const what = `nothing tells which of the next model's ${listOf(next)} the base's ${listOf(base)} should become`;
  return differs(what, "give the next model's tensors the base's names, or ship the full model");
}

function is({ length }: readonly unknown[]): string {
  return length === 1 ? 'is' : 'are';
}

/** @returns names, and the type and shape of the first */
function listOf(infos: readonly TensorInfo[]): string {
  const types = [...new Set(infos.map(describe))].slice(0, 2);
  return `${infos.length === 1 ? 'tensor' : 'tensors'} ${namesOf(infos)} (${types.join(' and ')})`;
}

function namesOf(infos: readonly TensorInfo[]): string {
  const names = infos.slice(0, MOST_NAMES).map(({ name }) => `"${name}"`);
  const more = infos.length > MOST_NAMES ? ` and ${infos.length - MOST_NAMES} more` : '';
  return `${names.join(', ')}${more}`;
}
