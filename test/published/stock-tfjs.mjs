// Runs a GraphModel as programs do that have TensorFlow.js alone, on its wasm backend, with its own kernels.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';

const { folder, inputs, names } = workerData;
await tf.setBackend('wasm');
const json = JSON.parse(await readFile(join(folder, 'model.json'), 'utf8'));
const artifacts = await tf.io.getModelArtifactsForJSON(json, async (manifest) => {
  const shards = manifest.flatMap(({ paths }) => paths);
  const parts = await Promise.all(shards.map((path) => readFile(join(folder, path))));
  return [manifest.flatMap(({ weights }) => weights), new Uint8Array(Buffer.concat(parts)).buffer];
});
const model = await tf.loadGraphModel(tf.io.fromMemory(artifacts));
const feeds = inputs.map(({ name, shape, values }) => [name, tf.tensor(values, shape)]);
const outputs = [model.execute(Object.fromEntries(feeds), names)].flat();
parentPort.postMessage(outputs.map((output) => output.dataSync().slice()));
