import { patchChain } from '../chain/index.js';
import { NeuralDiffError, openLayersStore, type WeightStore } from '../model/index.js';
import { modelFolder, openFolder, readPayload, writeCopy } from '../node/index.js';
import type { FineTuned } from '../train/index.js';
import type { BaseModel } from './open-base.js';

/** Where a model is written. */
export interface ModelOutput {
  readonly out: string;
  /** Replaces what is there. */
  readonly force?: boolean | undefined;
}

/**
 * Writes a full fine-tune as a LayersModel folder: a copy of the base, with its chain applied, in which the trained weights
 * take the place of the base's. It is there whole or not at all.
 *
 * @returns the folder's store is given to `use` before it is closed, and what that returns
 * @throws NeuralDiffError `unsupported-model` for a base that stores trained weights in fewer bits than float32; `output-exists`,
 *   `no-space`; those of a model on disk and of payloads
 */
export async function writeFineTune<T>(
  { base, chain = [] }: BaseModel,
  { weights }: Pick<FineTuned, 'weights'>,
  { out, force = false, use }: ModelOutput & { use: (store: WeightStore) => Promise<T> },
): Promise<T> {
  const from = await modelFolder(base);
  return writeCopy({ from, to: out, force }, async (copy) => {
    const store = await openLayersStore(await openFolder(copy, { writable: true }));
    try {
      if (chain.length > 0)
        await patchChain(store, await Promise.all(chain.map((path) => readPayload(path))));
      for (const [name, values] of weights) await writeWeights(store, name, values);
      await store.flush();
      return await use(store);
    } finally {
      await store.close();
    }
  });
}

async function writeWeights(store: WeightStore, name: string, values: Float32Array): Promise<void> {
  const dtype = store.tensors.find((tensor) => tensor.name === name)?.dtype;
  if (dtype !== 'float32') {
    const message = `Cannot write the full fine-tune: "${name}" is stored as ${dtype ?? 'nothing'}, expected float32`;
    throw new NeuralDiffError('unsupported-model', message);
  }
  await store.write(name, 0, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
}
