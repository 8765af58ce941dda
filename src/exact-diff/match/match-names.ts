import type { TensorInfo } from '../../model/tensor.js';
import type { TensorPair } from './cast.js';

/** Tensors of two models. */
export interface TensorLists {
  readonly base: readonly TensorInfo[];
  readonly next: readonly TensorInfo[];
}

/** Which tensors were matched, and those that are left. */
export interface NameMatch {
  readonly pairs: readonly TensorPair[];
  readonly left: TensorLists;
}

/** @returns whether a tensor of the base may take its weights from one of the next model */
export type Fits = (pair: TensorPair) => boolean;

/** What may stand in front of all names: what ends in a letter or a digit would be a part of the first word. */
const PREFIX = /[^\p{L}\p{N}]$/u;

/** Matches tensors of equal names. */
export function matchEqualNames({ base, next }: TensorLists, fits: Fits): NameMatch {
  const byName = new Map(next.map((info) => [info.name, info]));
  const pairs = base.flatMap((info): TensorPair[] => {
    const found = byName.get(info.name);
    return found && fits({ base: info, next: found }) ? [{ base: info, next: found }] : [];
  });
  return { pairs, left: without({ base, next }, pairs) };
}

/**
 * Matches tensors of two models where one has a prefix in front of all names, else of equal names, then those where one name is the end of the other, as containers of the same model have them:
 * `dense/kernel` and `model_weights/dense/dense/kernel:0`. Exporters number tensors, and may number them anew: where a
 * tensor is left whose name differs in its numbers alone, a name says nothing, and its content must.
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
 * Matches `enc.w` and `model.enc.w`. Before the prefix is taken off, equal names and ends of names may mean other tensors: of `layer.w` and
 * `layer.layer.w`, each with another `layer.` in front, one is there in both models.
 *
 * @returns undefined unless all names match so
 */
function matchPrefixed({ base, next }: TensorLists, fits: Fits): TensorPair[] | undefined {
  const lengthOf = (infos: readonly TensorInfo[]): number =>
    infos.reduce((sum, info) => sum + pathOf(info).length, 0);
  const added = (lengthOf(next) - lengthOf(base)) / base.length;
  if (base.length !== next.length || added === 0 || !Number.isInteger(added)) return undefined;
  const [longer, shorter] = added > 0 ? [next, base] : [base, next];
  const prefix = pathOf(longer[0] as TensorInfo).slice(0, Math.abs(added));
  if (!PREFIX.test(prefix)) return undefined;
  const byPath = new Map(longer.map((info) => [pathOf(info), info]));
  const pairs = new Map<TensorInfo, TensorPair>();
  for (const info of shorter) {
    const found = byPath.get(prefix + pathOf(info));
    if (found === undefined) return undefined;
    const pair = added > 0 ? { base: info, next: found } : { base: found, next: info };
    if (fits(pair)) pairs.set(found, pair);
  }
  return pairs.size === base.length ? [...pairs.values()] : undefined;
}

/** @returns the tensors that no pair has */
export function without({ base, next }: TensorLists, pairs: readonly TensorPair[]): TensorLists {
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

/** @returns pairs of which neither side fits another tensor as well */
function matchEnds({ base, next }: TensorLists, fits: Fits): TensorPair[] {
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

/** @returns pairs that no tensor which is left, or left by this, could be taken for by another numbering */
function dropNumbered(pairs: readonly TensorPair[], left: TensorLists): readonly TensorPair[] {
  const stems = { base: new Set(left.base.map(stemOf)), next: new Set(left.next.map(stemOf)) };
  const isDoubtful = ({ base, next }: TensorPair): boolean =>
    stems.base.has(stemOf(base)) || stems.next.has(stemOf(next));
  const doubtful = pairs.filter(isDoubtful);
  if (doubtful.length === 0) return pairs;
  const kept = pairs.filter((pair) => !isDoubtful(pair));
  return dropNumbered(kept, {
    base: [...left.base, ...doubtful.map(({ base }) => base)],
    next: [...left.next, ...doubtful.map(({ next }) => next)],
  });
}

/** @returns a name without its numbers: `dense_1/kernel` and `dense/kernel` have one stem */
function stemOf(info: TensorInfo): string {
  return plainName(info).replaceAll(/[_.-]?\d+/g, '');
}

/** @returns a name as older TensorFlow has it without the number of an output */
function plainName({ name }: TensorInfo): string {
  return name.replace(/:0$/, '');
}

/** @returns a name with slashes; some write it with dots */
function pathOf(info: TensorInfo): string {
  return plainName(info).replaceAll('.', '/');
}

/** @returns all ends of a path, itself the first */
function endsOf(info: TensorInfo): string[] {
  const parts = pathOf(info).split('/');
  return parts.map((_, i) => parts.slice(i).join('/'));
}

/** @returns items by their keys; an item may have several */
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
