import { hex } from '../../model/bytes.js';
import { sha256, TensorDigest } from '../../model/fingerprint.js';
import { CHUNK_BYTES } from '../../model/limits.js';
import type { WeightStore } from '../../model/store.js';
import {
  byteLength,
  canonicalOrder,
  DTYPES,
  elementCount,
  type TensorInfo,
  wordsOf,
} from '../../model/tensor.js';
import { Yielder } from '../../model/yielder.js';
import { orderedBits, ordinalOf } from '../../payload/ordered-bits.js';
import type { WorkOptions } from '../compare-stores.js';
import type { StorePair } from '../pairs.js';
import { readAs, type TensorMatch } from './cast.js';
import { groupBy, type TensorLists } from './match-names.js';
import {
  areAlike,
  type Candidates,
  nearest,
  openCandidates,
  type Sampled,
  type SearchOptions,
} from './similarity.js';

/** A tensor of one of the models, read as the base's dtype. */
interface Digested {
  readonly store: WeightStore;
  readonly as: TensorMatch;
  readonly digest: string;
}

type Content = Digested & Sampled;

/** As many tensors of the base (of one dtype) as of the next model, where any pair of them is compatible. */
export interface Group extends TensorLists {
  /**
   * Whether casts would also allow tensors of other groups in place of these; then the last remaining pair
   * must be alike, too.
   */
  readonly isContested: boolean;
}

/** @returns how many bytes `matchContent` reads to tell tensors apart */
export function bytesToMatch(group: Group): number {
  if (isClear(group)) return 0;
  return [...group.base, ...group.next].reduce((sum, info) => sum + byteLength(info), 0);
}

/** @returns whether there is only one possible match */
function isClear({ base, isContested }: Group): boolean {
  return base.length === 1 && !isContested;
}

/**
 * Matches tensors of one shape by content: first those with identical bytes, then each with the most similar
 * one, provided it is clearly the most similar. The last remaining pair is matched without that condition.
 * Reads the models chunk by chunk and keeps samples.
 *
 * @returns pairs; the other tensors could not be told apart
 */
export async function matchContent(
  stores: StorePair,
  group: Group,
  options: WorkOptions,
): Promise<TensorMatch[]> {
  const [base, next] = [canonicalOrder(group.base), canonicalOrder(group.next)];
  const [first] = base as [TensorInfo];
  if (isClear(group)) return [{ base: first, next: next[0] as TensorInfo }];
  const digested: { base: Digested[]; next: Digested[] } = { base: [], next: [] };
  for (const info of base) digested.base.push(await digest(stores.base, { base: info, next: info }, options));
  for (const info of next)
    digested.next.push(await digest(stores.next, { base: first, next: info }, options));
  const identical = pairIdentical(digested);
  const left = withoutPairs(digested, identical);
  const size = sampleElements(first, left.base.length);
  const yielder = new Yielder(options.signal);
  const read = async (tensors: readonly Digested[]): Promise<Content[]> => {
    const contents: Content[] = [];
    for (const each of tensors) {
      options.signal?.throwIfAborted();
      contents.push({ ...each, ...(await readOrdinals(each.store, each.as, size)) });
      await yielder.tick();
    }
    return contents;
  };
  const contents = { base: await read(left.base), next: await read(left.next) };
  const { isContested } = group;
  const similar = await pairSimilar(contents, { isContested, yielder });
  return [...identical, ...similar].map(([from, to]) => ({ base: from.as.next, next: to.as.next }));
}

async function digest(store: WeightStore, as: TensorMatch, options: WorkOptions): Promise<Digested> {
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

/** Any of several identical tensors of the next model will do, but each tensor of the base needs one. */
function pairIdentical<T extends Digested>({ base, next }: Unpaired<T>): [T, T][] {
  const byDigest = groupBy(next, (tensor) => [tensor.digest]);
  return [...groupBy(base, (tensor) => [tensor.digest])].flatMap(([key, same]) => {
    const found = byDigest.get(key) ?? [];
    return same.length <= found.length ? same.map((tensor, i): [T, T] => [tensor, found[i] as T]) : [];
  });
}

/** Tensors of both models that have no counterpart yet. */
interface Unpaired<T> {
  readonly base: readonly T[];
  readonly next: readonly T[];
}

/** Most rounds of the search, each among the tensors that the previous one left unpaired. */
const MOST_ROUNDS = 16;

/**
 * Pairs tensors that are clearly nearest to each other, then repeats, as each pair may make others clear. In
 * a contested group, every pair must also be alike.
 */
async function pairSimilar<T extends Sampled>(
  tensors: Unpaired<T>,
  { isContested, yielder }: { isContested: boolean; yielder: Yielder },
): Promise<[T, T][]> {
  const pairs: [T, T][] = [];
  let left = tensors;
  for (let round = 0; round < MOST_ROUNDS && left.base.length > 0; round++) {
    const areSame = left.next.every(({ digest }) => digest === left.next[0]?.digest);
    const found = areSame
      ? left.base.slice(0, left.next.length).map((tensor, i): [T, T] => [tensor, left.next[i] as T])
      : await pairClear(left, yielder);
    pairs.push(...found);
    if (areSame || found.length === 0) break;
    left = withoutPairs(left, found);
  }
  return isContested ? pairs.filter(([from, to]) => areAlike(from, to)) : pairs;
}

/** @returns pairs of tensors that are each other's nearest */
async function pairClear<T extends Sampled>(
  { base, next }: Unpaired<T>,
  yielder: Yielder,
): Promise<[T, T][]> {
  const [backward, forward] = [openCandidates(base), openCandidates(next)];
  const pairs: [T, T][] = [];
  for (const tensor of base) {
    const found = await search(tensor, { in: forward, isSame: (a, b) => a.digest === b.digest, yielder });
    if (found === undefined) continue;
    const back = await search(found, { in: backward, isSame: (a, b) => a === b, yielder });
    if (back === tensor) pairs.push([tensor, found]);
  }
  return pairs;
}

async function search<T extends Sampled>(
  tensor: T,
  options: { in: Candidates<T>; isSame: SearchOptions<T>['isSame']; yielder: Yielder },
): Promise<T | undefined> {
  const { in: candidates, isSame, yielder } = options;
  const among = candidates.of(tensor);
  const found = nearest(tensor, { among, areAll: candidates.areAll, isSame });
  await yielder.tick();
  return found;
}

/** @returns the tensors that are in no pair */
function withoutPairs<T>({ base, next }: Unpaired<T>, pairs: readonly (readonly [T, T])[]): Unpaired<T> {
  const paired = new Set(pairs.flat());
  return {
    base: base.filter((tensor) => !paired.has(tensor)),
    next: next.filter((tensor) => !paired.has(tensor)),
  };
}

/** Sampled elements kept of all tensors of a model, and bounds of those kept of one. */
const MODEL_ELEMENTS = 2 ** 21;
const LEAST_ELEMENTS = 64;
const MOST_ELEMENTS = 4_096;

/** Evenly spaced runs of elements that make up a sample. */
const RUNS = 16;

/** @returns how many elements to sample of a tensor when this many tensors are kept */
function sampleElements(info: TensorInfo, tensors: number): number {
  const affordable = Math.floor(MODEL_ELEMENTS / tensors);
  const most = Math.min(MOST_ELEMENTS, Math.max(LEAST_ELEMENTS, affordable));
  const elements = elementCount(wordsOf(info));
  return elements <= most ? elements : RUNS * Math.floor(most / RUNS);
}

/** Reads a sample of a tensor as ordinals, in the base's dtype. */
async function readOrdinals(
  store: WeightStore,
  pair: TensorMatch,
  count: number,
): Promise<{ ordinals: Int32Array; bits: number }> {
  const info = wordsOf(pair.base);
  const size = DTYPES[info.dtype].bytes;
  const elements = elementCount(info);
  const runs = count === elements ? 1 : RUNS;
  const length = count / runs;
  const bytes = new Uint8Array(count * size);
  for (let run = 0; run < runs; run++) {
    const first = runs === 1 ? 0 : Math.floor(((elements - length) * run) / (runs - 1));
    const target = bytes.subarray(run * length * size, (run + 1) * length * size);
    await readAs(store, pair, { byteOffset: first * size, target });
  }
  const ordered = orderedBits(info, bytes);
  return { ordinals: Int32Array.from({ length: count }, (_, i) => ordinalOf(ordered, i)), bits: 8 * size };
}
