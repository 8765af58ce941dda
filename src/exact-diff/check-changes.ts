import { DTYPES } from '../model/index.js';
import { DiffReader, type OpenPayload, orderedBits, patchRange } from '../payload/index.js';
import { PairReader, type StorePair } from './borrow-pairs.js';
import type { Comparison, WorkOptions } from './compare-stores.js';
import { countChanged } from './differences.js';

/** Decodes what was written, applies it to the base, a chunk at a time, and compares the result with the next model. */
export async function checkChanges(
  stores: StorePair,
  { changed, payload }: Pick<Comparison, 'changed'> & { payload: OpenPayload },
  options: WorkOptions,
): Promise<void> {
  const reader = new PairReader(stores);
  const diff = new DiffReader(payload, stores.base.tensors);
  for (const { info } of changed) {
    const size = DTYPES[info.dtype].bytes;
    for await (const { byteOffset, before, after } of reader.walk(info, options.signal)) {
      const start = byteOffset / size;
      const ops = diff.read(info, { start, end: start + before.length / size });
      patchRange(ops, info, { startElement: start, bytes: before });
      const wrong = countChanged(orderedBits(info, before).words, orderedBits(info, after).words);
      if (wrong > 0) throw new Error(`The packed diff gives another "${info.name}"`);
      options.onBytes(before.length);
    }
  }
}
