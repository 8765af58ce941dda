import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs';
import { modelFiles, useBackend } from 'neural-diff/tfjs';
import type { StepReport } from 'neural-diff/train';
import type { DeviceReport } from './device.js';
import type { DiffJob, DiffMessage } from './diff-worker.js';
import { createKeywordModel } from './model.js';
import type { Split } from './staged-clips.js';
import { toArrays } from './task.js';

/** How the base model is trained: once, long ago, on a server. */
export interface BaseOptions {
  readonly classes: number;
  readonly epochs: number;
  readonly learningRate: number;
  readonly batchSize: number;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
  readonly onEpoch?: (epoch: number, accuracy: number) => void;
}

/** Trains the base model and saves it as devices have it. */
export async function trainBase(data: Split, folder: string, options: BaseOptions): Promise<void> {
  const { classes, epochs, learningRate, batchSize, seed } = options;
  await useBackend('wasm');
  const model = createKeywordModel(classes, seed);
  const optimizer = tf.train.adam(learningRate);
  model.compile({ optimizer, loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
  const { xs, ys } = shuffled(toArrays(data.train, classes), seed);
  const halfCosine = (epoch: number): void => {
    const rate = learningRate * 0.5 * (1 + Math.cos((Math.PI * epoch) / epochs));
    (optimizer as unknown as { learningRate: number }).learningRate = rate;
  };
  const callbacks: tf.CustomCallbackArgs = {
    onEpochBegin: async (epoch) => halfCosine(epoch),
    onBatchEnd: async () => options.signal?.throwIfAborted(),
    onEpochEnd: async (epoch, logs) => options.onEpoch?.(epoch, logs?.acc ?? 0),
  };
  // The order is shuffled once, by seed: `fit` itself would shuffle by chance.
  await model.fit(xs, ys, { epochs, batchSize, shuffle: false, verbose: 0, callbacks });
  await mkdir(folder, { recursive: true });
  for (const [path, bytes] of await modelFiles(model)) await writeFile(join(folder, path), bytes);
  tf.dispose([xs, ys]);
  model.dispose();
}

function shuffled(data: ReturnType<typeof toArrays>, seed: number): { xs: tf.Tensor; ys: tf.Tensor } {
  const { xs, ys } = data as { xs: tf.Tensor; ys: tf.Tensor };
  const keys = tf.tidy(() => tf.randomUniform([xs.shape[0] as number], 0, 1, 'float32', seed).dataSync());
  const order = Int32Array.from(keys.keys()).sort((a, b) => (keys[a] as number) - (keys[b] as number));
  const indexes = tf.tensor1d(order, 'int32');
  const result = { xs: tf.gather(xs, indexes), ys: tf.gather(ys, indexes) };
  tf.dispose([xs, ys, indexes]);
  return result;
}

/** Runs a diff job in a thread. */
export function runDiffJob(
  job: DiffJob,
  onStep: (report: StepReport) => void,
): Promise<Extract<DiffMessage, { type: 'done' }>> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./diff-worker.js', import.meta.url), { workerData: job });
    worker.on('message', (message: DiffMessage) => {
      if (message.type === 'step') onStep(message.report);
      else resolve(message);
    });
    worker.on('error', reject);
    worker.on('exit', (code) => reject(new Error(`The training thread ended with status ${code}`)));
  });
}

/** Starts the device as a process of its own and lets it patch its model folder. */
export function runDevice(folder: string, payload: string): Promise<DeviceReport> {
  return new Promise((resolve, reject) => {
    const script = new URL('./device.js', import.meta.url).pathname;
    const device = spawn(process.execPath, [script, folder, payload], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    device.stdout.on('data', (text) => {
      output += text;
    });
    device.on('error', reject);
    device.on('close', (status) => {
      if (status === 0) resolve(JSON.parse(output));
      else reject(new Error(`The device ended with status ${status}`));
    });
  });
}
