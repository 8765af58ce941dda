// The program of the playground's worker: does one job at a time, and tells how far it is.

import * as tf from '@tensorflow/tfjs';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import type { NeuralDiffError } from 'neural-diff';
import { apply } from './apply.js';
import { compare } from './compare.js';
import type { Job, Message, Results, Tell } from './jobs.js';
import { predict } from './predict.js';
import { train } from './train.js';

/** The program of the backend, in an address. */
declare const WASM_URL: string;

// The page has one variant of the backend, which every browser of the last years runs.
tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
setWasmPaths({
  'tfjs-backend-wasm.wasm': WASM_URL,
  'tfjs-backend-wasm-simd.wasm': WASM_URL,
  'tfjs-backend-wasm-threaded-simd.wasm': WASM_URL,
});

const post = (message: Message): void => postMessage(message);

const tell: Tell = {
  progress: ({ phase, done, total }) => post({ type: 'progress', progress: { phase, done, total } }),
  epoch: (epoch) => post({ type: 'epoch', epoch }),
};

function run(job: Job): Promise<Results[keyof Results]> {
  if (job.type === 'compare') return compare(job, tell);
  if (job.type === 'apply') return apply(job, tell);
  if (job.type === 'predict') return predict(job);
  return train(job, tell);
}

addEventListener('message', async ({ data }: MessageEvent<Job>): Promise<void> => {
  try {
    post({ type: 'result', result: await run(data) });
  } catch (error) {
    const { code = '', message } = error as NeuralDiffError;
    post({ type: 'failed', code, message });
  }
});
