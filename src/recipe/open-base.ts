import { patchChain } from '../chain/patch-chain.js';
import { openLayersStore } from '../model/layers-store.js';
import { type ModelFiles, openOverlay } from '../model/model-files.js';
import { openFolder } from '../node/folder.js';
import { modelFolder } from '../node/open-model.js';
import { readPayload } from '../node/read-payload.js';
import type { TrainingJob } from './job.js';

/** The model on the devices. */
export type BaseModel = Pick<TrainingJob, 'base' | 'chain'>;

/**
 * Opens a base model with its chain of payloads applied, in memory only.
 *
 * @returns the folder; close it
 * @throws NeuralDiffError those of a model on disk and of payloads; `wrong-base`, `broken-chain`,
 *   `wrong-layout`, `result-mismatch` for payloads that do not continue from the base
 */
export async function openBase({ base, chain = [] }: BaseModel): Promise<ModelFiles> {
  const folder = await openFolder(await modelFolder(base));
  try {
    if (chain.length === 0) return folder;
    const payloads: Uint8Array[] = [];
    for (const path of chain) payloads.push(await readPayload(path));
    const files = openOverlay(folder);
    await patchChain(await openLayersStore(files), payloads);
    return files;
  } catch (error) {
    await folder.close();
    throw error;
  }
}

/**
 * Derives a seed from a base: with the same placement in every update, errors of shared values would add up.
 *
 * @param base fingerprint of the base, as a hexadecimal string
 * @returns 0 to 2^32 - 1
 */
export function seedFor(base: string): number {
  return Number.parseInt(base.slice(0, 8), 16);
}
