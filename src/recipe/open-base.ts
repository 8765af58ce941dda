import { patchChain } from '../chain/patch-chain.js';
import { openLayersStore } from '../model/layers-store.js';
import { type ModelFiles, openOverlay } from '../model/model-files.js';
import { openFolder } from '../node/folder.js';
import { modelFolder } from '../node/open-model.js';
import { readPayload } from '../node/read-payload.js';
import type { TrainingJob } from './job.js';

/** The model that devices have. */
export type BaseModel = Pick<TrainingJob, 'base' | 'chain'>;

/**
 * Opens a base model as devices have it: with its chain applied, in memory alone.
 *
 * @returns the folder; close it
 * @throws NeuralDiffError those of a model on disk and of payloads; `wrong-base`, `broken-chain`, `wrong-layout`,
 *   `result-mismatch` for payloads that do not lead on from the base
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
 * A seed of its own for every base: shared values that were placed alike update after update would add up.
 *
 * @param base fingerprint of the base in hexadecimal digits
 * @returns 0 to 2^32 - 1
 */
export function seedFor(base: string): number {
  return Number.parseInt(base.slice(0, 8), 16);
}
