import { join } from 'node:path';
import { applyPayload } from '../../apply/apply-payload.js';
import { createPatcher } from '../../apply/fast/create-patcher.js';
import { createSha256, openFilesModel, writeNewFiles } from '../../node/files-model.js';
import type { Bytes } from '../../payload/byte-source.js';
import { openPayload } from '../../payload/open-payload.js';

/**
 * Makes the model of a payload that makes new files, in a folder of its own.
 *
 * @param base path of the payload's base
 * @param to path of the folder; it must not exist
 * @returns path of the new model's main file; nothing if the base already is the new model
 * @throws NeuralDiffError as `applyPayload`; `no-space`, `file-unreadable`; the signal's reason
 */
export async function makeModel(
  base: string,
  payload: Bytes,
  { to, signal }: { readonly to: string; readonly signal?: AbortSignal | undefined },
): Promise<string | undefined> {
  const { header } = await openPayload(payload);
  const model = await openFilesModel(base, header.layout);
  try {
    const options = { patcher: createPatcher(), createSha256, ...(signal && { signal }) };
    const target = { to, force: false, isFile: false };
    const { plan } = await writeNewFiles(model, target, (store) => applyPayload(store, payload, options));
    const main = plan.files?.made[0]?.path;
    return main === undefined ? undefined : join(to, main);
  } finally {
    await model.store.close();
  }
}
