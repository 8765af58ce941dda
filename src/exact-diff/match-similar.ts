import type { Breaths } from './breaths.js';
import { type Candidates, openCandidates } from './candidates.js';
import { areAlike, type Choice, nearest, type Sampled } from './similarity.js';

/** Tensors of both models that have no counterpart yet. */
export interface Open<T> {
  readonly base: readonly T[];
  readonly next: readonly T[];
}

/** Searches, each among what the one before left. */
const MOST_ROUNDS = 16;

/**
 * Pairs what is clear, and then what has become clear by that. The last one that is left is taken for the last; where others than those of
 * the group come into question, if they are alike.
 *
 * @param breaths lets others run, and stops the search on request
 */
export async function pairSimilar<T extends Sampled>(
  open: Open<T>,
  { isContested, breaths }: { isContested: boolean; breaths: Breaths },
): Promise<[T, T][]> {
  const pairs: [T, T][] = [];
  let left = open;
  for (let round = 0; round < MOST_ROUNDS && left.base.length > 0; round++) {
    const areSame = left.next.every(({ digest }) => digest === left.next[0]?.digest);
    const found = areSame
      ? left.base.map((tensor, i): [T, T] => [tensor, left.next[i] as T])
      : await pairClear(left, breaths);
    pairs.push(...found);
    if (areSame || found.length === 0) break;
    left = leave(left, found);
  }
  return isContested ? pairs.filter(([from, to]) => areAlike(from, to)) : pairs;
}

/** @returns pairs each of which is the other's nearest */
async function pairClear<T extends Sampled>({ base, next }: Open<T>, breaths: Breaths): Promise<[T, T][]> {
  const [backward, forward] = [openCandidates(base), openCandidates(next)];
  const pairs: [T, T][] = [];
  for (const tensor of base) {
    const found = await search(tensor, { in: forward, isSame: (a, b) => a.digest === b.digest, breaths });
    if (found === undefined) continue;
    const back = await search(found, { in: backward, isSame: (a, b) => a === b, breaths });
    if (back === tensor) pairs.push([tensor, found]);
  }
  return pairs;
}

async function search<T extends Sampled>(
  tensor: T,
  { in: candidates, isSame, breaths }: { in: Candidates<T>; isSame: Choice<T>['isSame']; breaths: Breaths },
): Promise<T | undefined> {
  const among = candidates.of(tensor);
  const found = nearest(tensor, { among, areAll: candidates.areAll, isSame });
  await breaths.spend(candidates.lookups + among.length * tensor.orders.length);
  return found;
}

/** @returns the tensors that no pair has */
export function leave<T>(open: Open<T>, pairs: readonly (readonly [T, T])[]): Open<T> {
  const taken = new Set(pairs.flat());
  return {
    base: open.base.filter((tensor) => !taken.has(tensor)),
    next: open.next.filter((tensor) => !taken.has(tensor)),
  };
}
