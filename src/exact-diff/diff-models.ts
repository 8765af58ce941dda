import { type Model, openMemoryStore } from '../model/index.js';
import { joinPieces } from '../payload/encode.js';
import type { Meta } from '../payload/index.js';
import { diffStores, type StoreDiff } from './diff-stores.js';

/** A lossless diff of two models in memory. */
export interface ExactDiff extends Omit<StoreDiff, 'pieces' | 'payloadBytes'> {
  readonly payload: Uint8Array;
}

/**
 * `diffStores` for two models in memory.
 *
 * @param base the model on the devices
 * @param next the model that they should have: tensors of the same names, dtypes and shapes, in any order
 * @param meta metadata of the payload; none unless given
 * @throws NeuralDiffError as `diffStores`
 */
export async function diffModels(base: Model, next: Model, meta: Meta = {}): Promise<ExactDiff> {
  const diff = await diffStores(openMemoryStore(base), openMemoryStore(next), { meta });
  const { pieces, payloadBytes, ...found } = diff;
  return { payload: await joinPieces({ pieces, payloadBytes }), ...found };
}
