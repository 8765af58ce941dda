// Runs in a page: a LayersModel that predicts, is patched while it is in use, and predicts again.

import * as tf from '@tensorflow/tfjs';
import { download, downloadFolder } from './patch-copies.js';
import '@tensorflow/tfjs-backend-webgpu';
import { fingerprint, openLayersStore, openMemoryFiles } from 'neural-diff';
import { applyPayload } from 'neural-diff/apply';
import { loadModel, openLiveModel, useBackend } from 'neural-diff/tfjs';

/** Where predictions are computed; `webgl-16` has textures of 16 bits, as some phones have no others. */
export type LiveBackend = 'cpu' | 'wasm' | 'webgl' | 'webgl-16' | 'webgpu';

/** What the page saw. */
export interface LivePatch {
  readonly backend: string;
  /** Of the live weights after the patch. */
  readonly fingerprint: string;
  /**
   * Of the weights as the backend gives them back after the prediction, or the code with which it is refused.
   */
  readonly again: string;
  /** Predictions for one input that is the same everywhere. */
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/**
 * Downloads a model and a payload, and patches the model while it is in use.
 *
 * @param origin of the server that has `model/` and `live.ndiff`
 */
export async function patchLiveModel(origin: string, backend: LiveBackend): Promise<LivePatch> {
  if (backend === 'webgl-16') tf.env().set('WEBGL_FORCE_F16_TEXTURES', true);
  await useBackend(backend === 'webgl-16' ? 'webgl' : backend);
  const files = openMemoryFiles(await downloadFolder(`${origin}/model`));
  const model = await loadModel(files);
  const before = await predict(model);
  const weights = await openLayersStore(files);
  const live = openLiveModel(model, { weights });
  const { fingerprint: found } = await applyPayload(live, await download(`${origin}/live.ndiff`));
  const after = await predict(model);
  const again = await fingerprint(openLiveModel(model)).catch((error) => error.code);
  model.dispose();
  return { backend: tf.getBackend(), fingerprint: found, again, before, after };
}

/** @returns the predictions for a ramp of values */
async function predict(model: tf.LayersModel): Promise<number[]> {
  const outputs = tf.tidy(() => {
    const shape = (model.inputs[0] as tf.SymbolicTensor).shape.slice(1) as number[];
    const size = shape.reduce((a, b) => a * b, 1);
    return model.predict(tf.linspace(-1, 1, size).reshape([1, ...shape])) as tf.Tensor;
  });
  const values = await outputs.data();
  outputs.dispose();
  return Array.from(values);
}
