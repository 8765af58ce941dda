import { patchChain } from '../../chain/patch-chain.js';
import { fingerprint } from '../../model/fingerprint.js';
import { copyModel, openMemoryStore, type WeightStore } from '../../model/store.js';
import { totalBytes, totalElements } from '../../model/tensor.js';
import { openModel } from '../../node/open-model.js';
import { readPayload } from '../../node/read-payload.js';
import type { ModelFacts } from '../document.js';
import type { ModelPaths } from './options.js';

/** The opened models of a report. */
export interface OpenModels {
  /** The model on the devices; in memory if it has a chain. */
  readonly base: WeightStore;
  readonly next: WeightStore | undefined;
  readonly facts: ModelFacts;
}

/**
 * Opens base and full fine-tune, calls a function with them, and closes them.
 *
 * @throws NeuralDiffError those of a model on disk and of a chain
 */
export async function withModels<T>(
  paths: ModelPaths,
  signal: AbortSignal | undefined,
  use: (models: OpenModels) => Promise<T>,
): Promise<T> {
  return withModel(paths.base, async (stored) => {
    const base = await applyChain(stored, paths.chain ?? []);
    const useBoth = async (next?: WeightStore): Promise<T> => {
      return use({ base, next, facts: await factsOf(base, next, signal) });
    };
    return paths.next === undefined ? useBoth() : withModel(paths.next, useBoth);
  });
}

async function withModel<T>(path: string, use: (store: WeightStore) => Promise<T>): Promise<T> {
  const store = await openModel(path);
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

/** @returns the model on the devices, with the quantisation of the stored one */
async function applyChain(store: WeightStore, chain: readonly string[]): Promise<WeightStore> {
  if (chain.length === 0) return store;
  const payloads: Uint8Array[] = [];
  for (const path of chain) payloads.push(await readPayload(path));
  const patched = openMemoryStore(await copyModel(store));
  await patchChain(patched, payloads);
  const { readOnly, quantization } = store;
  return { ...patched, ...(readOnly && { readOnly }), ...(quantization && { quantization }) };
}

async function factsOf(
  base: WeightStore,
  next: WeightStore | undefined,
  signal: AbortSignal | undefined,
): Promise<ModelFacts> {
  const fingerprintOf = (store: WeightStore): Promise<string> => fingerprint(store, { signal });
  const weights = totalElements(base.tensors);
  return {
    base: await fingerprintOf(base),
    ...(next && { next: await fingerprintOf(next) }),
    tensors: base.tensors.length,
    weights,
    bytes: totalBytes(base.tensors),
    float32Bytes: 4 * weights,
  };
}
