import type { TensorInfo } from '../../model/tensor.js';
import type { TensorMatch } from './cast.js';

/** Tensors of two models. */
export interface TensorLists {
  readonly base: readonly TensorInfo[];
  readonly next: readonly TensorInfo[];
}

/** The matched tensors, and the remaining ones. */
interface NameMatch {
  readonly pairs: readonly TensorMatch[];
  readonly left: TensorLists;
}

/** @returns whether a tensor of the base may take its weights from a tensor of the next model */
type Fits = (pair: TensorMatch) => boolean;

/** A common prefix must end in a separator: otherwise it would be a part of the first word. */
const PREFIX = /[^\p{L}\p{N}]$/u;

/** Matches tensors of equal names. */
export function matchEqualNames({ base, next }: TensorLists, fits: Fits): NameMatch {
  const byName = new Map(next.map((info) => [info.name, info]));
  const pairs = base.flatMap((info): TensorMatch[] => {
    const found = byName.get(info.name);
    return found && fits({ base: info, next: found }) ? [{ base: info, next: found }] : [];
  });
  return { pairs, left: without({ base, next }, pairs) };
}

/**
 * Matches tensors by name. If one model has a prefix on all of its names, that decides. Otherwise equal names
 * match, then names of which one is the end of the other, as file formats produce them for the same model:
 * `dense/kernel` and `model_weights/dense/dense/kernel:0`. Exporters number tensors, and may renumber them: a
 * match by name is dropped if an unmatched tensor's name differs only in its numbers, so that content
 * decides.
 */
export function matchNames(lists: TensorLists, fits: Fits): NameMatch {
  const prefixed = matchPrefixed(lists, fits);
  if (prefixed !== undefined) return { pairs: prefixed, left: { base: [], next: [] } };
  const equal = matchEqualNames(lists, fits);
  const pairs = [...equal.pairs, ...matchEnds(equal.left, fits)];
  const trusted = dropNumbered(pairs, without(lists, pairs));
  return { pairs: trusted, left: without(lists, trusted) };
}

/**
 * Matches names such as `enc.w` and `model.enc.w`. This comes first, as equal names and ends of names can
 * mislead while a prefix is present: of `layer.w` and `layer.layer.w`, each prefixed by another `layer.`, one
 * name is in both models.
 *
 * @returns undefined unless all names match this way
 */
function matchPrefixed({ base, next }: TensorLists, fits: Fits): TensorMatch[] | undefined {
  const lengthOf = (infos: readonly TensorInfo[]): number =>
    infos.reduce((sum, info) => sum + pathOf(info).length, 0);
  const added = (lengthOf(next) - lengthOf(base)) / base.length;
  if (base.length !== next.length || added === 0 || !Number.isInteger(added)) return undefined;
  const [longer, shorter] = added > 0 ? [next, base] : [base, next];
  const prefix = pathOf(longer[0] as TensorInfo).slice(0, Math.abs(added));
  if (!PREFIX.test(prefix)) return undefined;
  const byPath = new Map(longer.map((info) => [pathOf(info), info]));
  const pairs = new Map<TensorInfo, TensorMatch>();
  for (const info of shorter) {
    const found = byPath.get(prefix + pathOf(info));
    if (found === undefined) return undefined;
    const pair = added > 0 ? { base: info, next: found } : { base: found, next: info };
    if (fits(pair)) pairs.set(found, pair);
  }
  return pairs.size === base.length ? [...pairs.values()] : undefined;
}

/** @returns the tensors that are in no pair */
export function without({ base, next }: TensorLists, pairs: readonly TensorMatch[]): TensorLists {
  const taken = { base: new Set<TensorInfo>(), next: new Set<TensorInfo>() };
  for (const pair of pairs) {
    taken.base.add(pair.base);
    taken.next.add(pair.next);
  }
  return {
    base: base.filter((info) => !taken.base.has(info)),
    next: next.filter((info) => !taken.next.has(info)),
  };
}

/** @returns pairs of which neither tensor fits another one as well */
function matchEnds({ base, next }: TensorLists, fits: Fits): TensorMatch[] {
  const whole = groupBy(next, (info) => endsOf(info).slice(0, 1));
  const ends = groupBy(next, endsOf);
  const found = base.flatMap((info) => {
    const longer = ends.get(endsOf(info)[0] as string) ?? [];
    const shorter = endsOf(info).flatMap((end) => whole.get(end) ?? []);
    const fitting = [...new Set([...longer, ...shorter])].map((other) => ({ base: info, next: other }));
    return fitting.filter(fits);
  });
  const [byBase, byNext] = [groupBy(found, ({ base }) => [base]), groupBy(found, ({ next }) => [next])];
  return found.filter((pair) => byBase.get(pair.base)?.length === 1 && byNext.get(pair.next)?.length === 1);
}

/** Drops pairs that an unmatched tensor, or one unmatched by this, could replace under another numbering. */
function dropNumbered(pairs: readonly TensorMatch[], left: TensorLists): readonly TensorMatch[] {
  if (left.base.length + left.next.length === 0) return pairs;
  const stems = { base: new Set(left.base.map(stemOf)), next: new Set(left.next.map(stemOf)) };
  const isDoubtful = ({ base, next }: TensorMatch): boolean =>
    stems.base.has(stemOf(base)) || stems.next.has(stemOf(next));
  const doubtful = pairs.filter(isDoubtful);
  if (doubtful.length === 0) return pairs;
  const kept = pairs.filter((pair) => !isDoubtful(pair));
  return dropNumbered(kept, {
    base: [...left.base, ...doubtful.map(({ base }) => base)],
    next: [...left.next, ...doubtful.map(({ next }) => next)],
  });
}

/** Removes the numbers of a name: `dense_1/kernel` and `dense/kernel` have the same stem. */
function stemOf(info: TensorInfo): string {
  return plainName(info).replaceAll(/[_.-]?\d+/g, '');
}

/** Removes the output number that older TensorFlow versions append. */
function plainName({ name }: TensorInfo): string {
  return name.replace(/:0$/, '');
}

/** Replaces the dots that some formats use in names by slashes. */
function pathOf(info: TensorInfo): string {
  return plainName(info).replaceAll('.', '/');
}

/** @returns all ends of a path, starting with the whole path */
function endsOf(info: TensorInfo): string[] {
  const parts = pathOf(info).split('/');
  return parts.map((_, i) => parts.slice(i).join('/'));
}

/** Groups items by key; an item may have several keys. */
export function groupBy<K, T>(items: readonly T[], keysOf: (item: T) => readonly K[]): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items)
    for (const key of keysOf(item)) {
      const group = groups.get(key);
      if (group) group.push(item);
      else groups.set(key, [item]);
    }
  return groups;
}
