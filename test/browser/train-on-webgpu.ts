// Runs in a page and in Node: trains diffs on the webgpu backend and applies their payloads.

import * as tf from '@tensorflow/tfjs';
import {
  fingerprint,
  type Model,
  openContainer,
  openLayersStore,
  openMemoryFiles,
  openMemoryStore,
} from 'neural-diff';
import { applyPayload } from 'neural-diff/apply';
import { loadGraphModel, loadModel, modelFiles, namedWeights, openLiveModel } from 'neural-diff/tfjs';
import {
  type ArrayData,
  createOnnxTask,
  createTask,
  type FineTuned,
  fineTune,
  type Task,
  type TrainDiffOptions,
  type TrainedDiff,
  trainHashDiff,
  trainSparseDiff,
} from 'neural-diff/train';
import { hex } from '../../src/model/bytes.js';
import { float16Bits } from '../../src/model/float16.js';
import { copyWeights } from '../../src/tfjs/weights.js';
import { createRandom } from '../../src/train/random.js';
import { graphFiles, pictures } from '../train/graph-task.js';
import { download } from './patch-copies.js';

export {
  computePart,
  readsSynchronously,
  roundDifferently,
  startDevice,
  touchLast,
} from './parts-on-webgpu.js';

/** What came of a training. */
export interface Trained {
  /** In hexadecimal digits. */
  readonly payload: string;
  /** Fingerprints: of the trainer, and of the base after the payload was applied to its bytes. */
  readonly base: string;
  readonly next: string;
  readonly applied: string;
  /** On the validation set: of the base, and of the decoded payload as the trainer measured it. */
  readonly before: number;
  readonly after: number;
  /** Of the patched files, loaded again. */
  readonly again?: number;
}

const CLASSES = 4;
const LENGTH = 24;

type Trainer = (options: TrainDiffOptions) => Promise<TrainedDiff>;

/** Trainings of a LayersModel: every kind of diff, and ways to train. */
export const LAYERS: Readonly<Record<string, Trainer>> = {
  'hash, ternary': trainHashDiff,
  'hash, sign': (options) => trainHashDiff({ ...options, coding: 'sign', scales: 'shared' }),
  'hash, float': (options) =>
    trainHashDiff({ ...options, coding: 'float', block: 1, budget: 900, distillation: false }),
  'sparse, rewound': trainSparseDiff,
  'sparse, annealed': (options) =>
    trainSparseDiff({ ...options, selection: 'anneal', saliency: 'magnitude', scope: 'tensor' }),
};

let fullFineTune: Promise<FineTuned> | undefined;

/** Trains a diff of the LayersModel on the active backend. */
export async function trainLayers(name: string): Promise<Trained> {
  const model = createModel();
  const files = await modelFiles(model);
  const task = createTask(model);
  const data = { task, train: signals(96, 1), validation: signals(96, 2) };
  fullFineTune ??= fineTune({ ...data, epochs: 6, learningRate: 0.03 });
  const options = { ...data, fullFineTune: await fullFineTune, budget: 450, epochs: 6, learningRate: 0.1 };
  const trained = await (LAYERS[name] as Trainer)({ ...options, seed: 3 });
  const store = await openLayersStore(openMemoryFiles(files));
  const { fingerprint: applied } = await applyPayload(store, trained.payload);
  const patched = await loadModel(openMemoryFiles(files));
  return { ...summary(trained, applied), again: await accuracyOf(patched) };
}

function summary({ payload, base, next, metrics }: TrainedDiff, applied: string): Trained {
  const [before, after] = [metrics.base.accuracy as number, metrics.diff.accuracy as number];
  return { payload: hex(payload), base, next, applied, before, after };
}

/** Trains a hash diff for the LayersModel as a device stores it, in other dtypes. */
export async function trainDevice(dtype: 'float16' | 'int8'): Promise<Trained> {
  const model = createModel();
  const task = createTask(model);
  const data = { task, train: signals(96, 1), validation: signals(96, 2) };
  const device = stored(await copyWeights(namedWeights(model)), dtype);
  const options = { ...data, device, budget: 450, epochs: 4, learningRate: 0.2, seed: 3 };
  const trained = await trainHashDiff({ ...options, fineTune: { epochs: 4, learningRate: 0.04 } });
  const store = openMemoryStore({
    tensors: device.tensors.map((each) => ({ ...each, bytes: each.bytes.slice() })),
  });
  await applyPayload(store, trained.payload);
  return summary(trained, await fingerprint(store));
}

/**
 * Trains a hash and a sparse diff of the network in an ONNX file, and patches the file.
 *
 * @param address of the file
 */
export async function trainOnnx(address: string): Promise<Trained[]> {
  const file = await download(address);
  const found: Trained[] = [];
  for (const train of [trainHashDiff, trainSparseDiff]) {
    const task = await createOnnxTask(file, { loss: 'categoricalCrossentropy' });
    const trained = await train(networkOptions(task, signals));
    task.dispose?.();
    const files = new Map([['model.onnx', file.slice()]]);
    const { fingerprint: applied } = await applyPayload(
      await openContainer(openMemoryFiles(files), 'model.onnx'),
      trained.payload,
    );
    const patched = await createOnnxTask(files.get('model.onnx') as Uint8Array, {
      loss: 'categoricalCrossentropy',
    });
    const { accuracy } = await patched.evaluate(signals(48, 2));
    patched.dispose?.();
    found.push({ ...summary(trained, applied), again: accuracy as number });
  }
  return found;
}

/** Trains a hash diff of a convolutional GraphModel, and patches the model while it is in use. */
export async function trainGraph(): Promise<Trained[]> {
  const model = await loadGraphModel(openMemoryFiles(graphFiles()));
  const loss = 'sparseCategoricalCrossentropy';
  const task = createTask(model, { loss, outputs: ['probabilities'] });
  const trained = await trainHashDiff(networkOptions(task, pictures));
  const { fingerprint: applied } = await applyPayload(openLiveModel(model), trained.payload);
  const { accuracy } = await task.evaluate(pictures(48, 2));
  model.dispose();
  return [{ ...summary(trained, applied), again: accuracy as number }];
}

function networkOptions(task: Task, data: typeof signals): TrainDiffOptions {
  const options = { budget: 900, epochs: 4, learningRate: 0.3, seed: 3, batchSize: 8 } as const;
  const fineTune = { epochs: 4, learningRate: 0.03 };
  return { ...options, fineTune, task, train: data(64, 1), validation: data(48, 2) };
}

/** @returns the model with its matrices in another dtype */
function stored(model: Model, dtype: 'float16' | 'int8') {
  const scale = 2 ** -8;
  const narrow = (values: Float32Array): Uint8Array =>
    dtype === 'float16'
      ? new Uint8Array(Uint16Array.from(values, float16Bits).buffer)
      : new Uint8Array(Int8Array.from(values, (value) => Math.round(value / scale)).buffer);
  const matrices = model.tensors.filter(({ shape }) => shape.length === 2);
  const tensors = model.tensors.map((tensor) => {
    if (!matrices.includes(tensor)) return tensor;
    return { ...tensor, dtype, bytes: narrow(new Float32Array(tensor.bytes.slice().buffer)) };
  });
  const quantization = new Map(dtype === 'int8' ? matrices.map(({ name }) => [name, { scale }]) : []);
  return { tensors, quantization };
}

/** @returns the accuracy of the LayersModel on its validation set, on the active backend */
export async function accuracyOf(model: tf.LayersModel): Promise<number> {
  compile(model);
  const { accuracy } = await createTask(model).evaluate(signals(96, 2));
  return accuracy as number;
}

/** @returns a classifier of signals; the same on each backend */
export function createModel(): tf.LayersModel {
  const kernelInitializer = tf.initializers.glorotUniform({ seed: 1 });
  const model = tf.sequential({
    layers: [
      tf.layers.dense({
        inputShape: [LENGTH],
        units: 32,
        activation: 'relu',
        kernelInitializer,
        name: 'first',
      }),
      tf.layers.dense({ units: CLASSES, activation: 'softmax', kernelInitializer, name: 'last' }),
    ],
  });
  compile(model);
  return model;
}

function compile(model: tf.LayersModel): void {
  model.compile({ optimizer: 'sgd', loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
}

/** @returns noise with a bump whose place is the class */
function signals(count: number, seed: number): ArrayData {
  const random = createRandom(seed);
  const values = Float32Array.from({ length: count * LENGTH }, () => random() - 0.5);
  const labels = Int32Array.from({ length: count }, (_, i) => i % CLASSES);
  const width = LENGTH / CLASSES;
  for (let i = 0; i < count; i++) {
    const start = i * LENGTH + width * (labels[i] as number);
    for (let at = start; at < start + width; at++) values[at] = (values[at] as number) + 0.4;
  }
  const ys = tf.tidy(() => tf.cast(tf.oneHot(tf.tensor1d(labels, 'int32'), CLASSES), 'float32'));
  return { xs: tf.tensor2d(values, [count, LENGTH]), ys };
}
