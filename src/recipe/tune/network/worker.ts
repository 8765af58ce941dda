import * as tf from '@tensorflow/tfjs';
import { useBackend } from '../../../tfjs/backend.js';
import { readFloats } from '../../../train/part.js';
import type { Metrics } from '../../../train/task.js';
import { loadRecipe, loadRecipeData, type RecipeData } from '../../recipe.js';
import {
  type Answer,
  answer,
  type CheckpointPlace,
  openCheckpoints,
  type WorkerTask,
} from '../../sweep/worker.js';
import type { Configuration } from '../space.js';
import { createNetwork, networkOf } from './create-network.js';
import { type NetworkTraining, trainAndMeasure } from './train-network.js';

/** A network to train in a thread, as plain data. */
export interface TrialRequest extends Pick<NetworkTraining, 'learningRate' | 'seed'> {
  readonly recipe: string;
  readonly configuration: Configuration;
  readonly epochs: number;
  readonly backend: 'wasm' | 'cpu';
  /** For the states of the training, which goes on from them; by default none are kept. */
  readonly checkpoints?: CheckpointPlace | undefined;
}

/** A trained network. */
export interface TrialProduct {
  readonly metrics: Metrics;
  /** In the order of the model's weights. */
  readonly weights: readonly Float32Array[];
}

/** Handles one request in a thread; the thread ends afterwards. */
export function work({ request, port }: WorkerTask<TrialRequest>): Promise<Answer<TrialProduct>> {
  return answer(port, (context) => trainTrial(request, context));
}

async function trainTrial(
  { recipe: path, configuration, epochs, learningRate, seed, backend, checkpoints: kept }: TrialRequest,
  context: Required<Pick<NetworkTraining, 'signal' | 'onStep' | 'onEpoch'>>,
): Promise<TrialProduct> {
  const recipe = await loadRecipe(path);
  await useBackend(backend);
  const checkpoints = await openCheckpoints(kept);
  const data = await loadRecipeData(path, recipe, { tf, seed, signal: context.signal as AbortSignal });
  const { model } = createNetwork(networkOf(path, recipe), configuration, { seed });
  const use = { path, recipe, options: recipe.options ?? {} };
  const training = {
    use,
    data: data as Required<RecipeData>,
    learningRate,
    seed,
    epochs,
    checkpoints,
    ...context,
  };
  const metrics = await trainAndMeasure(model, training, { epochs });
  return { metrics, weights: await weightsOf(model) };
}

/** @returns copies of a network's weights, in its order */
export function weightsOf(model: tf.LayersModel): Promise<Float32Array[]> {
  return Promise.all(model.getWeights().map(readFloats));
}
