import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import type { Metrics } from '../../../train/task.js';
import { Threads } from '../../sweep/threads.js';
import { runTasks } from '../../sweep/train-many.js';
import { openCheckpoints } from '../../sweep/worker.js';
import type { Configuration } from '../space.js';
import { createNetwork } from './create-network.js';
import type { SearchSetup, TrialRunner } from './search.js';
import { trainAndMeasure } from './train-network.js';
import { type TrialProduct, type TrialRequest, weightsOf } from './worker.js';

const WORKER = fileURLToPath(new URL('./worker.js', import.meta.url));

/** A network to train from scratch. */
export interface NetworkJob {
  readonly configuration: Configuration;
  readonly epochs: number;
}

/** A trained network, which the caller disposes of, or the error that ended its training. */
export type TrainedNetwork =
  | { readonly model: tf.LayersModel; readonly metrics: Metrics }
  | { readonly error: Error };

/** @returns networks trained by the setup's runner, in the order of the jobs */
export async function trainNetworks(
  { runner, use, training, backend }: SearchSetup,
  jobs: readonly NetworkJob[],
): Promise<TrainedNetwork[]> {
  const { learningRate, seed } = training;
  const requests = jobs.map(({ configuration, epochs }): TrialRequest => {
    return { recipe: use.path, configuration, epochs, learningRate, seed, backend };
  });
  const trained: TrainedNetwork[] = [];
  try {
    await runner(requests, async (ended, place) => {
      if (ended instanceof Error) {
        trained[place] = { error: ended };
        return;
      }
      const { model } = createNetwork(use, (jobs[place] as NetworkJob).configuration, { seed });
      trained[place] = { model, metrics: ended.metrics };
      const weights = model
        .getWeights()
        .map(({ shape }, i) => tf.tensor(ended.weights[i] as Float32Array, shape));
      model.setWeights(weights);
      tf.dispose(weights);
    });
    return trained;
  } catch (error) {
    for (const each of trained) if (each && 'model' in each) each.model.dispose();
    throw error;
  }
}

/** What runners that train on this machine need of a setup. */
export type LocalSetup = Pick<SearchSetup, 'use' | 'training'> & { readonly workers: number };

/** @returns a runner with so many threads; without threads for one. `close` ends them */
export function createRunner(setup: LocalSetup): { readonly runner: TrialRunner; close(): Promise<void> } {
  if (setup.workers === 1)
    return { runner: (requests, onEnd) => runHere(setup, requests, onEnd), async close() {} };
  const { signal } = setup.training;
  const threads = new Threads(setup.workers, WORKER);
  const stop = (): void => void threads.close();
  signal?.addEventListener('abort', stop, { once: true });
  const run = async (request: TrialRequest): Promise<TrialProduct> => {
    signal?.throwIfAborted();
    return threads.runOther<TrialProduct>(request, {});
  };
  return {
    async runner(requests, onEnd) {
      let ending: Promise<void> = Promise.resolve();
      const tasks = requests.map((request, place) => async () => {
        const ended = await run(request).catch(asError);
        signal?.throwIfAborted();
        ending = ending.then(() => onEnd(ended, place));
        await ending;
        return [];
      });
      await runTasks(tasks, setup.workers);
    },
    async close() {
      signal?.removeEventListener('abort', stop);
      await threads.close();
    },
  };
}

async function runHere(
  setup: LocalSetup,
  requests: readonly TrialRequest[],
  onEnd: Parameters<TrialRunner>[1],
): Promise<void> {
  for (const [place, request] of requests.entries()) {
    const ended = await trainHere(setup, request).catch(asError);
    setup.training.signal?.throwIfAborted();
    await onEnd(ended, place);
  }
}

async function trainHere(
  { use, training }: LocalSetup,
  { configuration, epochs, seed, checkpoints: kept }: TrialRequest,
): Promise<TrialProduct> {
  const { model } = createNetwork(use, configuration, { seed });
  try {
    const checkpoints = await openCheckpoints(kept);
    const metrics = await trainAndMeasure(model, { ...training, checkpoints }, { epochs });
    return { metrics, weights: await weightsOf(model) };
  } finally {
    model.dispose();
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
