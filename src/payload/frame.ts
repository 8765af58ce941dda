import { sha256 } from '../model/fingerprint.js';
import type { WeightStore } from '../model/store.js';
import { byteLength, type TensorInfo } from '../model/tensor.js';
import { STRUCTURE_DIGEST_BYTES } from './files-record.js';

/**
 * Opens a view of the base with the tensors of other files: each has the first elements of its source, as many
 * bytes as both have, and zeros.
 *
 * @param sources tensors of the base by which `source` counts
 */
export function openFrameStore(
  base: Pick<WeightStore, 'readInto'>,
  {
    tensors,
    sources,
  }: {
    tensors: readonly (TensorInfo & { readonly source?: number })[];
    sources: readonly TensorInfo[];
  },
): WeightStore {
  const byName = new Map(tensors.map((info) => [info.name, info]));
  return {
    tensors,
    async readInto(name, byteOffset, target) {
      const { source } = byName.get(name) as (typeof tensors)[number];
      const from = source === undefined ? undefined : (sources[source] as TensorInfo);
      const left = from === undefined ? 0 : Math.max(0, byteLength(from) - byteOffset);
      const known = target.subarray(0, Math.min(left, target.length));
      if (from !== undefined && known.length > 0) await base.readInto(from.name, byteOffset, known);
      target.fill(0, known.length);
    },
    write: () => Promise.reject(new TypeError('Cannot write to a view of the base')),
    async flush() {},
    async close() {},
  };
}

/** @returns the digest of a structure in a payload */
export async function digestStructure(structure: Uint8Array): Promise<Uint8Array> {
  return (await sha256(structure)).subarray(0, STRUCTURE_DIGEST_BYTES);
}
