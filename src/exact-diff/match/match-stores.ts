import type { NeuralDiffError } from '../../model/errors.js';
import type { WeightStore } from '../../model/store.js';
import { byteLength, type TensorInfo } from '../../model/tensor.js';
import { describe, differs } from '../compare-stores.js';
import { type DiffOptions, follow } from '../diff-stores.js';
import type { StorePair } from '../pairs.js';
import { canCast, countRounded, openView, type TensorMatch } from './cast.js';
import { bytesToMatch, type Group, matchContent } from './match-content.js';
import { groupBy, matchEqualNames, matchNames, type TensorLists, without } from './match-names.js';

/** Which tensors of the next model may be matched, and how to report and cancel the work. */
export interface MatchOptions extends Pick<DiffOptions, 'signal' | 'onProgress'> {
  /** Also matches tensors whose names differ, by the ends of their names or by content; true by default. */
  readonly rename?: boolean;
  /**
   * Casts float32 to the base's float16 or bfloat16, rounding to nearest even, and back; false by default.
   */
  readonly cast?: boolean;
}

/** A view of the next model with the base's names and dtypes, and how it was matched. */
export interface StoreMatch {
  /**
   * The next model's weights under the base's names and in its dtypes. It reads from the next model's store,
   * which the caller closes.
   */
  readonly store: WeightStore;
  /** Pairs of names that differ, in the base's order. */
  readonly renamed: readonly (readonly [base: string, next: string])[];
  readonly castTensors: number;
  /** Elements of cast tensors that are not preserved bit for bit; 0 if all casts are exact. */
  readonly roundedElements: number;
}

/**
 * Finds the tensor of the next model that each tensor of the base should become, for `diffStores`.
 *
 * 1. By name: equal names after removing a prefix that all names of one model share, then names of which one
 *    is the end of the other. Names that an exporter may have renumbered are skipped.
 * 2. By content, among the remaining tensors of the same shape and dtype: identical bytes, then the smallest
 *    mean difference, in bits, of a sample.
 *
 * Ambiguous matches are refused, and each tensor is used once. Models are read chunk by chunk; tensors
 * matched by name are read only to count elements that a cast rounds.
 *
 * @param base the model on the devices
 * @param next the model they should have: as many tensors of the same shapes; names and dtypes may differ
 * @throws NeuralDiffError `wrong-layout` if a tensor has no counterpart or several; errors of the stores; the
 *   signal's reason
 *
 * @example
 * const [base, next] = [await openModel('models/v1'), await openModel('models/v2')];
 * const { store, renamed } = await matchStores(base, next); // a view of `next` under the names of `base`
 * console.log(renamed, (await diffStores(base, store)).payloadBytes);
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
    for (const pair of await matchRemaining({ base, next }, named.left, options)) found.set(pair.base, pair);
  }
  const pairs = base.tensors.map((info) => found.get(info) as TensorMatch);
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

function fitsWith(cast: boolean): (pair: TensorMatch) => boolean {
  return ({ base, next }) =>
    `${next.shape}` === `${base.shape}` &&
    (cast ? canCast(next.dtype, base.dtype) : next.dtype === base.dtype);
}

function isEmpty({ base, next }: TensorLists): boolean {
  return base.length + next.length === 0;
}

/** Matches tensors by content, one group of the same shape and dtype at a time. */
async function matchRemaining(
  stores: StorePair,
  left: TensorLists,
  options: MatchOptions,
): Promise<TensorMatch[]> {
  const { cast = false } = options;
  const groups = groupLeft(left, cast);
  const unmatchable = groups.filter((group) => !isMatchable(group));
  if (unmatchable.length > 0)
    throw unmatched(join(unmatchable), { wouldCast: !cast && groupLeft(left, true).every(isMatchable) });
  const work = follow(
    'match',
    groups.map(bytesToMatch).reduce((sum, bytes) => sum + bytes, 0),
    options,
  );
  const pairs: TensorMatch[] = [];
  for (const group of groups) {
    const found = await matchContent(stores, group, work);
    if (found.length < group.base.length) throw ambiguous(without(group, found));
    pairs.push(...found);
  }
  return pairs;
}

/**
 * Groups tensors that may be matched with each other. Tensors of the base's own dtype are preferred to those
 * that need a cast; where a cast would allow others of the same shape, content must confirm the preference.
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

/** @returns shape and dtype, with one name for the dtypes that casts allow */
function kindOf({ dtype, shape }: TensorInfo): string {
  return `${canCast(dtype, 'float32') ? 'float' : dtype}[${shape}]`;
}

function join(groups: readonly TensorLists[]): TensorLists {
  return { base: groups.flatMap(({ base }) => base), next: groups.flatMap(({ next }) => next) };
}

/** @returns whether there are as many tensors of both models, and any may become any */
function isMatchable({ base, next }: TensorLists): boolean {
  const [first] = base;
  if (first === undefined || base.length !== next.length) return false;
  return (
    base.every(({ dtype }) => dtype === first.dtype) && next.every(({ dtype }) => canCast(dtype, first.dtype))
  );
}

async function countCasts(
  next: WeightStore,
  pairs: readonly TensorMatch[],
  options: MatchOptions,
): Promise<Pick<StoreMatch, 'castTensors' | 'roundedElements'>> {
  const total = pairs.reduce((sum, pair) => sum + byteLength(pair.next), 0);
  const work = follow('cast', total, options);
  let roundedElements = 0;
  for (const pair of pairs) roundedElements += await countRounded(next, pair, work);
  return { castTensors: pairs.length, roundedElements };
}

/** Most names quoted in a message. */
const MOST_NAMES = 5;

/** @returns an error for tensors without a counterpart of the same dtype and shape */
function unmatched(left: TensorLists, { wouldCast = false } = {}): NeuralDiffError {
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
    // Names that were not trusted may be in both models.
    if (others !== own.length && own.some(({ name }) => byName.has(name)))
      return `of ${type} the base has ${own.length} tensors without a counterpart (${namesOf(own)}), the next model ${others}`;
  }
  const missing = `the base's ${listOf(base)} ${is(base)} not in the next model`;
  const added = `the next model's ${listOf(next)} ${is(next)} not in the base`;
  return [...(base.length > 0 ? [missing] : []), ...(next.length > 0 ? [added] : [])].join(', ');
}

/** @returns an error for tensors that content cannot tell apart */
function ambiguous({ base, next }: TensorLists): NeuralDiffError {
  const what = `ambiguous match between the base's ${listOf(base)} and the next model's ${listOf(next)}`;
  return differs(what, "give the next model's tensors the base's names, or ship the full model");
}

function is({ length }: readonly unknown[]): string {
  return length === 1 ? 'is' : 'are';
}

/** @returns names, with their dtypes and shapes */
function listOf(infos: readonly TensorInfo[]): string {
  const types = [...new Set(infos.map(describe))].slice(0, 2);
  return `${infos.length === 1 ? 'tensor' : 'tensors'} ${namesOf(infos)} (${types.join(' and ')})`;
}

function namesOf(infos: readonly TensorInfo[]): string {
  const names = infos.slice(0, MOST_NAMES).map(({ name }) => `"${name}"`);
  const more = infos.length > MOST_NAMES ? ` and ${infos.length - MOST_NAMES} more` : '';
  return `${names.join(', ')}${more}`;
}
