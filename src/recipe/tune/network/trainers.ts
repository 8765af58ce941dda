import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import type { Metrics } from '../../../train/task.js';
import { Threads } from '../../sweep/threads.js';
import { runTasks } from '../../sweep/train-many.js';
import type { Configuration } from '../space.js';
import { createNetwork } from './create-network.js';
import type { SearchSetup } from './search.js';
import { trainAndMeasure } from './train-network.js';
import type { TrialProduct, TrialRequest } from './worker.js';

const WORKER = fileURLToPath(new URL('./worker.js', import.meta.url));

/** A network to train from scratch. */
export interface NetworkJob {
  readonly configuration: Configuration;
  readonly epochs: number;
}

/** A trained network, which the caller disposes of, or the error that ended its training. */
export type TrainedNetwork =
  | { readonly model: tf.LayersModel; readonly metrics: Metrics }
  | { readonly error: unknown };

/** Trains networks: one after the other here, or several at once in threads. Both give the same weights. */
export interface NetworkTrainer {
  /** @returns in the order of the jobs */
  train(jobs: readonly NetworkJob[]): Promise<TrainedNetwork[]>;
  close(): Promise<void>;
}

/** @returns a trainer with so many threads; without threads for one */
export function createTrainer(setup: SearchSetup): NetworkTrainer {
  return setup.workers > 1
    ? new ThreadedTrainer(setup)
    : { train: (jobs) => trainHere(setup, jobs), async close() {} };
}

async function trainHere(setup: SearchSetup, jobs: readonly NetworkJob[]): Promise<TrainedNetwork[]> {
  const trained: TrainedNetwork[] = [];
  for (const { configuration, epochs } of jobs) {
    const { model } = createNetwork(setup.use, configuration, { seed: setup.training.seed });
    try {
      trained.push({ model, metrics: await trainAndMeasure(model, setup.training, { epochs }) });
    } catch (error) {
      model.dispose();
      trained.push({ error });
      setup.training.signal?.throwIfAborted();
    }
  }
  return trained;
}

class ThreadedTrainer implements NetworkTrainer {
  readonly #setup: SearchSetup;
  readonly #threads: Threads;

  constructor(setup: SearchSetup) {
    this.#setup = setup;
    this.#threads = new Threads(setup.workers, WORKER);
    setup.training.signal?.addEventListener('abort', this.#stop, { once: true });
  }

  readonly #stop = (): void => void this.#threads.close();

  async train(jobs: readonly NetworkJob[]): Promise<TrainedNetwork[]> {
    const trained: TrainedNetwork[] = [];
    const tasks = jobs.map((job, place) => async () => {
      trained[place] = await this.#run(job);
      return [];
    });
    await runTasks(tasks, this.#setup.workers);
    return trained;
  }

  async #run({ configuration, epochs }: NetworkJob): Promise<TrainedNetwork> {
    const { use, training, backend } = this.#setup;
    const { learningRate, seed, signal } = training;
    signal?.throwIfAborted();
    const request: TrialRequest = { recipe: use.path, configuration, epochs, learningRate, seed, backend };
    try {
      const { metrics, weights } = await this.#threads.runOther<TrialProduct>(request, {});
      const { model } = createNetwork(use, configuration, { seed });
      const tensors = model.getWeights().map(({ shape }, i) => tf.tensor(weights[i] as Float32Array, shape));
      model.setWeights(tensors);
      tf.dispose(tensors);
      return { model, metrics };
    } catch (error) {
      signal?.throwIfAborted();
      return { error };
    }
  }

  async close(): Promise<void> {
    this.#setup.training.signal?.removeEventListener('abort', this.#stop);
    await this.#threads.close();
  }
}
