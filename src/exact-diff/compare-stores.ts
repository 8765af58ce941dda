import { joinDigests, sha256, TensorDigest, type TensorInfo } from '../model/index.js';
import { orderedBits } from '../payload/index.js';
import { PairReader, type StorePair } from './borrow-pairs.js';
import { countChanged } from './differences.js';
import type { ChangedTensor } from './lane.js';

/** What two models have in common. */
export interface Comparison {
  /** Fingerprints: 16 bytes each. */
  readonly base: Uint8Array;
  readonly next: Uint8Array;
  /** Tensors that differ, in canonical order, and in how many elements. */
  readonly changed: readonly ChangedTensor[];
}

/** How to follow and to stop long work. */
export interface WorkOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onBytes: (bytes: number) => void;
}

/**
 * Reads two models with the same tensors, a chunk at a time, and finds which tensors differ.
 *
 * @param infos the tensors, in canonical order
 */
export async function compareStores(
  stores: StorePair,
  infos: readonly TensorInfo[],
  options: WorkOptions,
): Promise<Comparison> {
  const reader = new PairReader(stores);
  const digests: { base: Uint8Array; next: Uint8Array }[] = [];
  const changed: ChangedTensor[] = [];
  for (const info of infos) {
    const [base, next] = [new TensorDigest(info, sha256), new TensorDigest(info, sha256)];
    let count = 0;
    for await (const { before, after } of reader.walk(info, options.signal)) {
      const hashed = Promise.all([base.add(before), next.add(after)]);
      count += countChanged(orderedBits(info, before).words, orderedBits(info, after).words);
      await hashed;
      options.onBytes(before.length);
    }
    digests.push({ base: await base.finish(), next: await next.finish() });
    if (count > 0) changed.push({ info, count });
  }
  return {
    base: await joinDigests(
      digests.map((digest) => digest.base),
      sha256,
    ),
    next: await joinDigests(
      digests.map((digest) => digest.next),
      sha256,
    ),
    changed,
  };
}
