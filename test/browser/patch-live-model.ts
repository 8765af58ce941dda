// Runs in a page: a LayersModel that predicts, is patched in place, and predicts anew.
import * as tf from '@tensorflow/tfjs';
import { applyPayload, openMemoryFiles } from 'neural-diff/apply';
import { loadModel, openLiveModel, useBackend } from 'neural-diff/tfjs';
import { download, downloadFolder } from './patch-copies.js';

/** What the page saw. */
export interface LivePatch {
  readonly backend: string;
  /** Of the live weights after the patch. */
  readonly fingerprint: string;
  /** Predictions for one input that is the same everywhere. */
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/**
 * Downloads a model and a payload, and patches the model while it is in use.
 *
 * @param origin of the server that has `model/` and `live.ndiff`
 * @param backend of TensorFlow.js
 */
export async function patchLiveModel(origin: string, backend: 'cpu' | 'wasm'): Promise<LivePatch> {
  await useBackend(backend);
  const model = await loadModel(openMemoryFiles(await downloadFolder(`${origin}/model`)));
  const before = predict(model);
  const { fingerprint } = await applyPayload(openLiveModel(model), await download(`${origin}/live.ndiff`));
  const after = predict(model);
  model.dispose();
  return { backend: tf.getBackend(), fingerprint, before, after };
}

/** @returns the predictions for a ramp of values */
export function predict(model: tf.LayersModel): number[] {
  return tf.tidy(() => {
    const shape = (model.inputs[0] as tf.SymbolicTensor).shape.slice(1) as number[];
    const size = shape.reduce((a, b) => a * b, 1);
    const ramp = tf.linspace(-1, 1, size).reshape([1, ...shape]);
    return Array.from((model.predict(ramp) as tf.Tensor).dataSync());
  });
}
