import { CHUNK_BYTES, canonicalOrder, DTYPES } from '../model/index.js';
import { chooseHead, SparseWriter } from '../payload/encode.js';
import { PairReader, type StorePair } from './borrow-pairs.js';
import type { Comparison, WorkOptions } from './compare-stores.js';
import { differences, roomFor } from './differences.js';
import { takeSamples } from './sample.js';
import type { Spool } from './spool.js';

/** Writes one record of exact ops for all tensors that differ, at least one, a chunk at a time. */
export async function encodeChanges(
  stores: StorePair,
  { changed, spool }: Pick<Comparison, 'changed'> & { spool: Spool },
  options: WorkOptions,
): Promise<void> {
  const reader = new PairReader(stores);
  const writer = new SparseWriter(canonicalOrder(stores.base.tensors), {
    kind: 'exact',
    tensors: new Set(changed.map(({ info }) => info.name)),
    sink: (bytes) => spool.write(bytes),
  });
  const room = roomFor(CHUNK_BYTES);
  for (const { info, count } of changed) {
    const size = DTYPES[info.dtype].bytes;
    const samples = await takeSamples(reader, info);
    writer.open(info, chooseHead(info, { kind: 'exact', scale: 1, count, samples }));
    for await (const { byteOffset, before, after } of reader.walk(info, options.signal)) {
      const first = byteOffset / size;
      writer.write(differences(info, { before, after, first }, room), first + before.length / size);
      options.onBytes(before.length);
    }
  }
  spool.write(writer.finish());
}
