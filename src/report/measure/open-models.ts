import { patchChain } from '../../chain/patch-chain.js';
import { checkSameTensors } from '../../exact-diff/compare-stores.js';
import { fingerprint } from '../../model/fingerprint.js';
import { copyModel, openMemoryStore, type WeightStore } from '../../model/store.js';
import { totalBytes, totalElements } from '../../model/tensor.js';
import { openModel } from '../../node/open-model.js';
import { readPayload } from '../../node/read-payload.js';
import type { ModelFacts } from '../document.js';

/** Paths of the models that a report is about. */
export interface ModelPaths {
  /** The model, in any container; a LayersModel's folder where accuracy is measured. */
  readonly base: string;
  /** Payloads that devices have applied to it already, in order. */
  readonly chain?: readonly string[] | undefined;
  /** The full fine-tune. */
  readonly next?: string | undefined;
}

/** The models that a report is about, open. */
export interface OpenModels {
  /** What devices have: with its chain applied, in memory then. */
  readonly base: WeightStore;
  readonly next: WeightStore | undefined;
  readonly facts: ModelFacts;
}

/**
 * Opens base and full fine-tune, lets something use them, and closes them whatever happened.
 *
 * @throws NeuralDiffError `wrong-layout` where the full fine-tune has other tensors; those of a model on disk and of a chain
 */
export async function withModels<T>(
  paths: ModelPaths,
  signal: AbortSignal | undefined,
  use: (models: OpenModels) => Promise<T>,
): Promise<T> {
  return withModel(paths.base, async (stored) => {
    const base = await applyChain(stored, paths.chain ?? []);
    const useBoth = async (next?: WeightStore): Promise<T> => {
      if (next) checkSameTensors(base.tensors, next.tensors);
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

/** @returns the model that devices have; what its integers stand for stays the same */
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
  const nameOf = async (store: WeightStore): Promise<string> => await fingerprint(store, { signal });
  const weights = totalElements(base.tensors);
  return {
    base: await nameOf(base),
    ...(next && { next: await nameOf(next) }),
    tensors: base.tensors.length,
    weights,
    bytes: totalBytes(base.tensors),
    float32Bytes: 4 * weights,
  };
}
