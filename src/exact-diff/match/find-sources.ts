import type { WeightStore } from '../../model/store.js';
import { byteLength, canonicalOrder, type TensorInfo } from '../../model/tensor.js';
import { describe } from '../compare-stores.js';
import { type DiffOptions, follow } from '../diff-stores.js';
import type { TensorMatch } from './cast.js';
import { bytesToMatch, type Group, matchContent } from './match-content.js';
import { groupBy, matchEqualNames, matchNames, type TensorLists, without } from './match-names.js';

/**
 * Finds, for tensors of other files, the tensor of the base that each is coded against: of equal or like
 * names and the same shape, then by content among those of one shape, then of equal names and another shape.
 * A tensor may have none.
 *
 * @param next the next model
 * @param wanted its tensors that need one
 * @returns index of the base's tensor in canonical order, by the name of the next model's
 */
export async function findSources(
  base: WeightStore,
  { next, wanted }: { next: WeightStore; wanted: readonly TensorInfo[] },
  options: DiffOptions,
): Promise<ReadonlyMap<string, number>> {
  const hasElements = (info: TensorInfo): boolean => byteLength(info) > 0;
  const lists = { base: base.tensors.filter(hasElements), next: wanted.filter(hasElements) };
  const named = matchNames(lists, ({ base, next }) => describe(base) === describe(next));
  const alike = await matchShapes({ base, next }, named.left, options);
  const rest = matchEqualNames(without(named.left, alike), ({ base, next }) => base.dtype === next.dtype);
  const index = new Map(canonicalOrder(base.tensors).map(({ name }, i) => [name, i]));
  const pairs = [...named.pairs, ...alike, ...rest.pairs];
  return new Map(pairs.map((pair) => [pair.next.name, index.get(pair.base.name) as number]));
}

/** Matches tensors of one shape by content; a single pair needs no proof, as its coding is tried anyway. */
async function matchShapes(
  stores: { base: WeightStore; next: WeightStore },
  left: TensorLists,
  options: DiffOptions,
): Promise<TensorMatch[]> {
  const bases = groupBy(left.base, (info) => [describe(info)]);
  const groups = [...groupBy(left.next, (info) => [describe(info)])].flatMap(([type, next]): Group[] => {
    const base = bases.get(type);
    return base ? [{ base, next, isContested: base.length + next.length > 2 }] : [];
  });
  const total = groups.map(bytesToMatch).reduce((sum, bytes) => sum + bytes, 0);
  const work = follow('match', total, options);
  const pairs: TensorMatch[] = [];
  for (const group of groups) pairs.push(...(await matchContent(stores, group, work)));
  return pairs;
}
