import {
  byteLength,
  CHUNK_BYTES,
  canonicalOrder,
  hex,
  sha256,
  TensorDigest,
  type TensorInfo,
  type WeightStore,
} from '../model/index.js';
import type { StorePair } from './borrow-pairs.js';
import { readAs, type TensorPair } from './cast.js';
import type { WorkOptions } from './compare-stores.js';
import { groupBy, type TensorLists } from './match-names.js';
import { readOrders, sampleElements } from './order-sample.js';
import { nearest, type Sampled } from './similarity.js';

/** A tensor of one of the models, read as the base's dtype. */
interface Digested {
  readonly store: WeightStore;
  readonly as: TensorPair;
  readonly digest: string;
}

type Content = Digested & Sampled;

/** Tensors of both models that have no counterpart yet. */
interface Open<T> {
  readonly base: readonly T[];
  readonly next: readonly T[];
}

/** @returns bytes that `matchContent` reads to tell tensors apart; one that is alone needs no reading */
export function bytesToMatch({ base, next }: TensorLists): number {
  return base.length < 2 ? 0 : [...base, ...next].reduce((sum, info) => sum + byteLength(info), 0);
}

/**
 * Matches tensors of one shape by what they hold: identical ones first, then each with the one that differs least, if no
 * other comes near. The last one that is left is taken for the last. Reads a chunk at a time and keeps samples.
 *
 * @param lists as many tensors of the base, of one dtype, as of the next model, each of which fits each
 * @returns pairs; tensors that are in none of them cannot be told apart
 */
export async function matchContent(
  stores: StorePair,
  lists: TensorLists,
  options: WorkOptions,
): Promise<TensorPair[]> {
  const [base, next] = [canonicalOrder(lists.base), canonicalOrder(lists.next)];
  const like = base[0] as TensorInfo;
  if (base.length === 1) return [{ base: like, next: next[0] as TensorInfo }];
  const open: { base: Digested[]; next: Digested[] } = { base: [], next: [] };
  for (const info of base) open.base.push(await digest(stores.base, { base: info, next: info }, options));
  for (const info of next) open.next.push(await digest(stores.next, { base: like, next: info }, options));
  const identical = pairIdentical(open);
  const left = leave(open, identical);
  const size = sampleElements(like, left.base.length);
  const read = async (tensors: readonly Digested[]): Promise<Content[]> => {
    const contents: Content[] = [];
    for (const each of tensors) contents.push({ ...each, ...(await readOrders(each.store, each.as, size)) });
    return contents;
  };
  const similar = pairSimilar({ base: await read(left.base), next: await read(left.next) });
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

/** Pairs what is clear, and then what has become clear by that. */
function pairSimilar(open: Open<Content>): [Content, Content][] {
  const areSame = open.next.every(({ digest }) => digest === open.next[0]?.digest);
  const found = areSame
    ? open.base.map((tensor, i): [Content, Content] => [tensor, open.next[i] as Content])
    : pairClear(open);
  return found.length === 0 || areSame ? found : [...found, ...pairSimilar(leave(open, found))];
}

/** @returns pairs each of which is the other's nearest */
function pairClear({ base, next }: Open<Content>): [Content, Content][] {
  return base.flatMap((tensor): [Content, Content][] => {
    const found = nearest(tensor, next, (a, b) => a.digest === b.digest);
    return found && nearest(found, base, (a, b) => a === b) === tensor ? [[tensor, found]] : [];
  });
}

function leave<T>(open: Open<T>, pairs: readonly (readonly [T, T])[]): Open<T> {
  const taken = new Set(pairs.flat());
  return {
    base: open.base.filter((tensor) => !taken.has(tensor)),
    next: open.next.filter((tensor) => !taken.has(tensor)),
  };
}
