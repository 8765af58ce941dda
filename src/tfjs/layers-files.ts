import * as tf from '@tensorflow/tfjs';
import { NeuralDiffError } from '../model/errors.js';
import { LAYERS_FILE } from '../model/layers-store.js';
import { type ModelFiles, readWhole } from '../model/model-files.js';

/** Size of a weight shard, as written by TensorFlow.js. */
const SHARD_BYTES = 4 * 2 ** 20;

/**
 * Loads a LayersModel from a folder of files, real or virtual.
 *
 * @param files the folder with `model.json` and the shards
 * @param path the file with topology and manifest, where it has another name
 * @returns the model, with its weights on the active backend
 * @throws NeuralDiffError `bad-model` if TensorFlow.js cannot build it; errors of `files`
 */
export function loadModel(files: ModelFiles, path: string = LAYERS_FILE): Promise<tf.LayersModel> {
  return build({ files, path }, (artifacts) => tf.loadLayersModel(tf.io.fromMemory(artifacts)));
}

/**
 * Loads a GraphModel from a folder of files, real or virtual.
 *
 * @param files the folder with `model.json` and the shards
 * @param path the file with topology and manifest, where it has another name
 * @returns the model, with its weights on the active backend; quantised ones as float32
 * @throws NeuralDiffError `bad-model` if TensorFlow.js cannot build it, such as a LayersModel; errors of
 *   `files`
 */
export function loadGraphModel(files: ModelFiles, path: string = LAYERS_FILE): Promise<tf.GraphModel> {
  return build({ files, path }, async (artifacts) => {
    const { node } = (artifacts.modelTopology ?? {}) as { node?: unknown };
    if (!Array.isArray(node)) throw new Error('expected a GraphModel, with a topology of nodes');
    return tf.loadGraphModel(tf.io.fromMemory(artifacts));
  });
}

async function build<M>(
  { files, path: main }: { readonly files: ModelFiles; readonly path: string },
  load: (artifacts: tf.io.ModelArtifacts) => Promise<M>,
): Promise<M> {
  const text = new TextDecoder().decode(await readWhole(files, main));
  try {
    const artifacts = await tf.io.getModelArtifactsForJSON(JSON.parse(text), async (manifest) => {
      const parts: ArrayBuffer[] = [];
      for (const path of manifest.flatMap((group) => group.paths))
        parts.push((await readWhole(files, path)).buffer);
      return [manifest.flatMap((group) => group.weights), parts];
    });
    return await load(artifacts);
  } catch (cause) {
    if (cause instanceof NeuralDiffError) throw cause;
    throw new NeuralDiffError('bad-model', `Cannot build the model: ${(cause as Error).message}`, { cause });
  }
}

/**
 * Converts a live model to the files of a LayersModel folder.
 *
 * @param model any LayersModel
 * @param shardBytes size of a shard; a tensor may straddle two
 * @returns contents by path: `model.json` and the shards
 */
export async function modelFiles(
  model: tf.LayersModel,
  shardBytes = SHARD_BYTES,
): Promise<Map<string, Uint8Array>> {
  let artifacts: tf.io.ModelArtifacts | undefined;
  const keep = async (given: tf.io.ModelArtifacts): Promise<tf.io.SaveResult> => {
    artifacts = given;
    return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
  };
  await model.save(tf.io.withSaveHandler(keep));
  const { modelTopology, weightSpecs, weightData, format, generatedBy } = artifacts as tf.io.ModelArtifacts;
  const data = new Uint8Array(tf.io.CompositeArrayBuffer.join(weightData));
  const count = Math.max(1, Math.ceil(data.length / shardBytes));
  const files = new Map<string, Uint8Array>();
  for (let i = 0; i < count; i++) {
    files.set(`group1-shard${i + 1}of${count}.bin`, data.slice(i * shardBytes, (i + 1) * shardBytes));
  }
  const weightsManifest = [{ paths: [...files.keys()], weights: weightSpecs }];
  const json = { format, generatedBy, convertedBy: null, modelTopology, weightsManifest };
  return files.set(LAYERS_FILE, new TextEncoder().encode(JSON.stringify(json)));
}
