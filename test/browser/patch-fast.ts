// Runs in a page and in a worker: the device kit with the fast patcher.

import { fingerprint, openLayersStore, openMemoryFiles } from 'neural-diff';
import { applyPayload } from 'neural-diff/apply';
import { createPatcher } from 'neural-diff/fast-apply';
import { plainPatcher } from '../../src/payload/patch.js';
import { download, downloadFolder } from './patch-copies.js';

/** What became of a model. */
export interface FastOutcome {
  /** Whether the runtime has what the fast patcher needs. */
  readonly isFast: boolean;
  readonly status: string;
  /** Of the model after the patch. */
  readonly fingerprint: string;
}

/**
 * Downloads a model and a payload, and patches the model.
 *
 * @param origin of the server that has both
 * @param payloadPath the payload's path there
 */
export async function patchFast(origin: string, payloadPath: string): Promise<FastOutcome> {
  const patcher = createPatcher();
  const store = await openLayersStore(openMemoryFiles(await downloadFolder(`${origin}/model`)));
  const { status } = await applyPayload(store, await download(`${origin}/${payloadPath}`), { patcher });
  return { isFast: patcher !== plainPatcher, status, fingerprint: await fingerprint(store) };
}
