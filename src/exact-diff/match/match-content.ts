import { hex } from '../../model/bytes.js';
import { sha256, TensorDigest } from '../../model/fingerprint.js';
import { CHUNK_BYTES } from '../../model/limits.js';
import type { WeightStore } from '../../model/store.js';
import { byteLength, canonicalOrder, DTYPES, elementCount, type TensorInfo } from '../../model/tensor.js';
import { orderedBits, ordinalOf } from '../../payload/ordered-bits.js';
import type { WorkOptions } from '../compare-stores.js';
import type { StorePair } from '../pairs.js';
import { Yielder } from '../yielder.js';
import { readAs, type TensorPair } from './cast.js';
import { groupBy, type TensorLists } from './match-names.js';
import {
  areAlike,
  type Candidates,
  type Choice,
  nearest,
  openCandidates,
  type Sampled,
} from './similarity.js';

/** A tensor of one of the models, read as the base's dtype. */
interface Digested {
  readonly store: WeightStore;
  readonly as: TensorPair;
  readonly digest: string;
}

type Content = Digested & Sampled;

/** As many tensors of the base, of one dtype, as of the next model, each of which fits each. */
export interface Group extends TensorLists {
  /** Whether casts would let other tensors take the place of these: then the last ones that are left must be alike too. */
  readonly isContested: boolean;
}

/** @returns bytes that `matchContent` reads to tell tensors apart */
export function bytesToMatch(group: Group): number {
  if (isClear(group)) return 0;
  return [...group.base, ...group.next].reduce((sum, info) => sum + byteLength(info), 0);
}

/** @returns whether there is nothing to tell apart */
function isClear({ base, isContested }: Group): boolean {
  return base.length === 1 && !isContested;
}

/**
 * Matches tensors of one shape by what they hold: identical ones first, then each with the one that differs least, if no
 * other comes near. The last one that is left is taken for the last. Reads a chunk at a time and keeps samples.
 *
 * @returns pairs; tensors that are in none of them cannot be told apart
 */
export async function matchContent(
  stores: StorePair,
  group: Group,
  options: WorkOptions,
): Promise<TensorPair[]> {
  const [base, next] = [canonicalOrder(group.base), canonicalOrder(group.next)];
  const like = base[0] as TensorInfo;
  if (isClear(group)) return [{ base: like, next: next[0] as TensorInfo }];
  const open: { base: Digested[]; next: Digested[] } = { base: [], next: [] };
  for (const info of base) open.base.push(await digest(stores.base, { base: info, next: info }, options));
  for (const info of next) open.next.push(await digest(stores.next, { base: like, next: info }, options));
  const identical = pairIdentical(open);
  const left = leave(open, identical);
  const size = sampleElements(like, left.base.length);
  const breaths = new Yielder(options.signal);
  const read = async (tensors: readonly Digested[]): Promise<Content[]> => {
    const contents: Content[] = [];
    for (const each of tensors) {
      options.signal?.throwIfAborted();
      contents.push({ ...each, ...(await readOrdinals(each.store, each.as, size)) });
      await breaths.tick(size);
    }
    return contents;
  };
  const contents = { base: await read(left.base), next: await read(left.next) };
  const { isContested } = group;
  const similar = await pairSimilar(contents, { isContested, breaths });
  return [...identical, ...similar].map(([from, to]) => ({ base: from.as.next, next: to.as.next }));
}

async function digest(store: WeightStore, as: TensorPair, options: WorkOptions): Promise<Digested> {
  const found = new TensorDigest({ ...as.base, name: '' }, sha256);
  const total = byteLength(as.base);
  const buffer = new Uint8Array(Math.min(CHUNK_BYTES, total));
  for (let byteOffset = 0; byteOffset < total; byteOffset += CHUNK_BYTES) {
    options.signal?.throwIfAborted();
    const target = buffer.subarray(0, Math.min(CHUNK_BYTES, total - byteOffset));
    await readAs(store, as, { byteOffset, target });
    await found.add(target);
  }
  options.onBytes(byteLength(as.next));
  return { store, as, digest: hex(await found.finish()) };
}

/** Which of several identical tensors of the next model is taken makes no difference; of the base's it does. */
function pairIdentical<T extends Digested>({ base, next }: Open<T>): [T, T][] {
  const byDigest = groupBy(next, (tensor) => [tensor.digest]);
  return [...groupBy(base, (tensor) => [tensor.digest])].flatMap(([key, same]) => {
    const found = byDigest.get(key) ?? [];
    return same.length <= found.length ? same.map((tensor, i): [T, T] => [tensor, found[i] as T]) : [];
  });
}

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
  { isContested, breaths }: { isContested: boolean; breaths: Yielder },
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
async function pairClear<T extends Sampled>({ base, next }: Open<T>, breaths: Yielder): Promise<[T, T][]> {
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
  { in: candidates, isSame, breaths }: { in: Candidates<T>; isSame: Choice<T>['isSame']; breaths: Yielder },
): Promise<T | undefined> {
  const among = candidates.of(tensor);
  const found = nearest(tensor, { among, areAll: candidates.areAll, isSame });
  await breaths.tick(candidates.lookups + among.length * tensor.orders.length);
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

/** Elements of all tensors of a model that are kept, and what that leaves of one. */
const MODEL_ELEMENTS = 2 ** 21;
const LEAST_ELEMENTS = 64;
const MOST_ELEMENTS = 4_096;

/** Runs of elements that a sample consists of, from the first to the last one. */
const RUNS = 16;

/** @returns how many elements of a tensor are looked at when those of so many are kept */
export function sampleElements(info: TensorInfo, tensors: number): number {
  const affordable = Math.floor(MODEL_ELEMENTS / tensors);
  const most = Math.min(MOST_ELEMENTS, Math.max(LEAST_ELEMENTS, affordable));
  const elements = elementCount(info);
  return elements <= most ? elements : RUNS * Math.floor(most / RUNS);
}

/** Reads some elements of a tensor, as the base's dtype, as numbers in the order of their values. */
export async function readOrdinals(
  store: WeightStore,
  pair: TensorPair,
  count: number,
): Promise<{ orders: Int32Array; bits: number }> {
  const size = DTYPES[pair.base.dtype].bytes;
  const elements = elementCount(pair.base);
  const runs = count === elements ? 1 : RUNS;
  const length = count / runs;
  const bytes = new Uint8Array(count * size);
  for (let run = 0; run < runs; run++) {
    const first = runs === 1 ? 0 : Math.floor(((elements - length) * run) / (runs - 1));
    const target = bytes.subarray(run * length * size, (run + 1) * length * size);
    await readAs(store, pair, { byteOffset: first * size, target });
  }
  const ordered = orderedBits(pair.base, bytes);
  return { orders: Int32Array.from({ length: count }, (_, i) => ordinalOf(ordered, i)), bits: 8 * size };
}
