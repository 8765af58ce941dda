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
import { Breaths } from './breaths.js';
import { readAs, type TensorPair } from './cast.js';
import type { WorkOptions } from './compare-stores.js';
import { groupBy, type TensorLists } from './match-names.js';
import { leave, type Open, pairSimilar } from './match-similar.js';
import { readOrders, sampleElements } from './order-sample.js';
import type { Sampled } from './similarity.js';

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
  const breaths = new Breaths(options.signal);
  const read = async (tensors: readonly Digested[]): Promise<Content[]> => {
    const contents: Content[] = [];
    for (const each of tensors) {
      options.signal?.throwIfAborted();
      contents.push({ ...each, ...(await readOrders(each.store, each.as, size)) });
      await breaths.spend(size);
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
