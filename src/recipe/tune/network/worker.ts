import * as tf from '@tensorflow/tfjs';
import { useBackend } from '../../../tfjs/backend.js';
import type { Metrics } from '../../../train/task.js';
import { loadRecipe, loadRecipeData, type RecipeData } from '../../recipe.js';
import { type Answer, answer, type WorkerTask } from '../../sweep/worker.js';
import type { Configuration } from '../space.js';
import { createNetwork, networkOf } from './create-network.js';
import { type NetworkTraining, trainAndMeasure } from './train-network.js';

/** A network to train in a thread, as plain data. */
export interface TrialRequest extends Pick<NetworkTraining, 'learningRate' | 'seed'> {
  readonly recipe: string;
  readonly configuration: Configuration;
  readonly epochs: number;
  readonly backend: 'wasm' | 'cpu';
}

/** A trained network. */
export interface TrialProduct {
  readonly metrics: Metrics;
  /** In the order of the model's weights. */
  readonly weights: readonly Float32Array[];
}

/** Handles one request in a thread; the thread ends afterwards. */
export function work({ request, port }: WorkerTask<TrialRequest>): Promise<Answer<TrialProduct>> {
  return answer(port, ({ signal, onStep }) => trainTrial(request, { signal, onStep }));
}

async function trainTrial(
  { recipe: path, configuration, epochs, learningRate, seed, backend }: TrialRequest,
  context: Pick<NetworkTraining, 'onStep'> & { readonly signal: AbortSignal },
): Promise<TrialProduct> {
  const recipe = await loadRecipe(path);
  await useBackend(backend);
  const data = await loadRecipeData(path, recipe, { tf, seed, signal: context.signal });
  const { model } = createNetwork(networkOf(path, recipe), configuration, { seed });
  const use = { path, recipe, options: recipe.options ?? {} };
  const training = { use, data: data as Required<RecipeData>, learningRate, seed, epochs, ...context };
  const metrics = await trainAndMeasure(model, training, { epochs });
  const weights = await Promise.all(
    model.getWeights().map((weight) => weight.data() as Promise<Float32Array>),
  );
  return { metrics, weights };
}
