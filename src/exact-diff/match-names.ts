import type { TensorInfo } from '../model/index.js';
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
 * Matches tensors of equal names, then those where one name is the end of the other, as containers of the same model have them:
 * `dense/kernel` and `model_weights/dense/dense/kernel:0`. Exporters number tensors, and may number them anew: where a
 * tensor is left whose name differs in its numbers alone, a name says nothing, and its content must.
 */
export function matchNames(lists: TensorLists, fits: Fits): NameMatch {
  const equal = matchEqualNames(lists, fits);
  const pairs = [...equal.pairs, ...matchEnds(equal.left, fits)];
  const trusted = dropNumbered(pairs, without(lists, pairs));
  return { pairs: trusted, left: without(lists, trusted) };
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

/** @returns all ends of a path, itself the first; some write it with dots */
function endsOf(info: TensorInfo): string[] {
  const parts = plainName(info).split(/[/.]/);
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
