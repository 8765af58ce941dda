import * as tf from '@tensorflow/tfjs';
import { NeuralDiffError } from '../model/errors.js';
import { loadModel } from '../tfjs/layers-files.js';
import { hitsOf, LOSS_NAMES, type LossFunction } from '../train/losses.js';
import { createNetworkTask, type NetworkTaskOptions } from '../train/network.js';
import type { OutputKind } from '../train/predictor.js';
import { createLayersTask, type Task } from '../train/task.js';
import { loadNetwork } from './load-network.js';
import type { OpenBase } from './open-base.js';
import { definedOnly, type RecipeOptions } from './options.js';
import type { Recipe } from './recipe.js';
import { guardRecipe, invalidRecipe, runRecipe } from './recipe-errors.js';

/** A recipe, its path, and its options with those of the job merged over them. */
export interface RecipeUse {
  readonly path: string;
  readonly recipe: Recipe;
  readonly options: RecipeOptions;
}

/**
 * Creates the task of a recipe for a model.
 *
 * @throws NeuralDiffError `recipe-invalid` for loss, metrics, outputs or mode that the kind of model does not
 *   have; `recipe-failed`, `bad-model`; `unsupported-model` also for a model without trainable weights
 */
export async function createRecipeTask(use: RecipeUse, base: OpenBase): Promise<Task> {
  const task = await (base.kind === 'layers-model' ? layersTask(use, base) : networkTask(use, base));
  if (task.weights.some(({ trainable }) => trainable)) return task;
  task.dispose?.();
  const message = 'Cannot train: the model has no weights that can be trained and that a gradient reaches';
  throw new NeuralDiffError('unsupported-model', message);
}

async function layersTask({ path, recipe, options }: RecipeUse, { files, file }: OpenBase): Promise<Task> {
  const { mode, fineTune, outputKind, outputs, microBatchSize: evaluationBatchSize } = options;
  const model = await loadModel(files, file);
  await compileByRecipe({ path, recipe, options }, model);
  const task = createLayersTask(
    model,
    definedOnly({ mode, fineTuneMode: fineTune?.mode, outputKind, evaluationBatchSize }),
  );
  const strange = outputs?.find((name) => !task.outputNames.includes(name));
  if (strange === undefined) return outputs?.length === 1 ? withAccuracyOf(outputs[0] as string, task) : task;
  model.dispose();
  const own = task.outputNames.map((name) => `"${name}"`).join(', ');
  const expected = `a LayersModel trains on its own outputs: expected some of ${own} as "outputs"`;
  throw invalidRecipe(path, `${expected}, got "${strange}"`);
}

/** @returns a task whose `accuracy` is that of one of its outputs, if the recipe measures it */
function withAccuracyOf(output: string, task: Task): Task {
  return {
    ...task,
    async evaluate(data) {
      const { [`${output}_acc`]: accuracy, ...metrics } = await task.evaluate(data);
      return accuracy === undefined ? metrics : { ...metrics, accuracy };
    },
  };
}

/** Compiles a LayersModel with the loss and metrics of a recipe. */
export async function compileByRecipe({ path, recipe }: RecipeUse, model: tf.LayersModel): Promise<void> {
  const { loss, metrics } = guardRecipe(path, { loss: recipe.loss, metrics: recipe.metrics });
  await runRecipe(path, () =>
    model.compile({ optimizer: tf.train.sgd(0), loss, ...(metrics && { metrics }) }),
  );
}

async function networkTask(use: RecipeUse, base: OpenBase): Promise<Task> {
  const { path, recipe, options } = use;
  const { mode, fineTune, outputKind, outputs, microBatchSize: evaluationBatchSize } = options;
  if (mode === 'training' || fineTune?.mode === 'training')
    throw invalidRecipe(path, 'mode "training" is for LayersModels: other models run as they were saved');
  const network = await loadNetwork(base, outputs);
  try {
    const loss = lossOf(path, recipe.loss, outputs ?? network.outputNames);
    const accuracy: LossFunction = (labels, output) =>
      hitsOf(labels, output, task.outputKinds[0] as OutputKind);
    const metrics = metricsOf(path, recipe.metrics, accuracy);
    const shared = { outputs, outputKind, evaluationBatchSize };
    const task = createNetworkTask(network, { loss, metrics, ...shared });
    return task;
  } catch (cause) {
    network.dispose();
    if (!(cause instanceof RangeError || cause instanceof TypeError)) throw cause;
    throw invalidRecipe(path, cause.message, cause);
  }
}

const LOSSES = `one of ${LOSS_NAMES.join(', ')}, or a function of labels and output`;

/** @returns a recipe's loss for each output: one for all, a list, or a map by the outputs' names */
function lossOf(path: string, given: Recipe['loss'], outputs: readonly string[]): NetworkTaskOptions['loss'] {
  const isMap = typeof given === 'object' && !Array.isArray(given);
  const losses: unknown = isMap ? outputs.map((name) => (given as Record<string, unknown>)[name]) : given;
  for (const each of [losses].flat()) {
    if (typeof each === 'function' || (LOSS_NAMES as readonly unknown[]).includes(each)) continue;
    const met = typeof each === 'string' ? `"${each}"` : typeof each;
    throw invalidRecipe(path, `expected "loss" for this kind of model to be ${LOSSES}, got ${met}`);
  }
  return guardRecipe(path, losses as NetworkTaskOptions['loss']);
}

/** @returns a recipe's metrics by name */
function metricsOf(
  path: string,
  given: Recipe['metrics'] = [],
  accuracy: LossFunction,
): Record<string, LossFunction> {
  const own: [string, LossFunction][] = [];
  for (const each of [given].flat() as unknown[]) {
    if (each === 'accuracy' || each === 'acc') {
      own.push(['accuracy', accuracy]);
      continue;
    }
    if (typeof each !== 'function' || each.name === '') {
      const expected = '"accuracy" or functions with names, of labels and output';
      throw invalidRecipe(path, `expected "metrics" for this kind of model to be ${expected}`);
    }
    own.push([each.name, guardRecipe(path, each as LossFunction)]);
  }
  return Object.fromEntries(own);
}
