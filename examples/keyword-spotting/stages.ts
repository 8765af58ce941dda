import { spawn } from 'node:child_process';
import { Worker } from 'node:worker_threads';
import { useBackend } from 'neural-diff/tfjs';
import type { StepReport } from 'neural-diff/train';
import type { Split } from '../common/staged-examples.js';
import { type BaseTraining, saveModel, trainBase } from '../common/train-base.js';
import type { DeviceReport } from './device.js';
import type { DiffJob, DiffMessage } from './diff-worker.js';
import { createKeywordModel } from './model.js';

/** Trains the base model and saves it as devices have it. */
export async function trainKeywordBase(
  data: Split,
  folder: string,
  options: BaseTraining & { readonly classes: number },
): Promise<void> {
  await useBackend('wasm');
  const model = createKeywordModel(options.classes, options.seed);
  await trainBase(model, data.train, options);
  await saveModel(model, folder);
  model.dispose();
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
