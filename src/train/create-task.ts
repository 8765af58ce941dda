import type * as tf from '@tensorflow/tfjs';
import { isGraphModel } from '../tfjs/graph/graph-nodes.js';
import { checkPaths, openGraphNetwork } from './graph-network.js';
import { createNetworkTask, type NetworkTaskOptions } from './network.js';
import { createLayersTask, type Task, type TaskOptions } from './task.js';

/**
 * Creates a task from a compiled LayersModel, with its loss, metrics and regularisers, or from a GraphModel
 * and a loss.
 *
 * Cross-entropies of probabilities have a gradient down to 1e-30, while those of TensorFlow.js are clipped at
 * 1e-7.
 *
 * @param model a LayersModel after `compile`, or a GraphModel. The constants of a GraphModel become
 *   variables, which the model computes with; `docs/GRAPH-MODELS.md` tells which ones are trained
 * @throws TypeError if a LayersModel is not compiled, or a loss is missing; RangeError for an unknown loss or
 *   output; NeuralDiffError `unsupported-model` for a GraphModel whose outputs have no gradients
 *
 * @example
 * await useBackend('wasm');
 * const layer = tf.layers.dense({ inputShape: [4], units: 256, activation: 'softmax' });
 * const model = tf.sequential({ layers: [layer] });
 * model.compile({ optimizer: 'adam', loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
 * const xs = tf.randomNormal([512, 4]);
 * const ys = tf.oneHot(tf.argMax(xs, 1), 256).toFloat();
 * const task = createTask(model);
 * console.log(await task.evaluate({ xs, ys }));
 */
export function createTask(model: tf.LayersModel, options?: TaskOptions): Task;
export function createTask(model: tf.GraphModel, options: NetworkTaskOptions): Task;
export function createTask(
  model: tf.LayersModel | tf.GraphModel,
  options?: TaskOptions | NetworkTaskOptions,
): Task {
  if (!isGraphModel(model)) return createLayersTask(model, options as TaskOptions);
  return createGraphTask(model, { ...options } as NetworkTaskOptions);
}

function createGraphTask(model: tf.GraphModel, options: NetworkTaskOptions): Task {
  const network = openGraphNetwork(model, options.outputs);
  // The model belongs to the caller.
  const { dispose: _, ...task } = createNetworkTask(network, options);
  checkPaths(model, task.outputNames);
  return task;
}
