import type * as tf from '@tensorflow/tfjs';
import { NeuralDiffError } from '../model/errors.js';
import { findNode } from '../tfjs/graph/graph-nodes.js';
import { graphPorts, runGraph, valueFacts } from '../tfjs/graph/graph-run.js';
import { graphWeights, storedWeights } from '../tfjs/graph/graph-weights.js';
import { makeDifferentiable } from '../tfjs/graph/make-differentiable.js';
import { type GradientPaths, traceGradients } from '../tfjs/graph/trace-gradients.js';
import { registerGradients } from '../tfjs/kernels/gradients/register.js';
import { checkNetworkGradients } from './check-gradients.js';
import type { Network } from './network.js';

/**
 * Opens a GraphModel as a network. Its weights become variables, which the model computes with, too.
 *
 * @param model of the active backend
 * @param names the outputs to train, or values before them; by default the model's outputs
 * @throws NeuralDiffError `unsupported-model` for weights that are texts, or quantised to 16-bit integers
 */
export function openGraphNetwork(
  model: tf.GraphModel,
  names: readonly string[] = model.outputNodes,
): Network {
  registerGradients();
  const weights = graphWeights(model);
  const { trained, embeddings } = trace(model, names);
  const runnable = makeDifferentiable(model);
  const ports = graphPorts(model);
  const shapes = ports.map(({ shape }) => shape);
  const network: Network = {
    weights: weights.map((weight) => ({
      ...weight,
      trainable: trained.has(weight.name),
      ...(embeddings.has(weight.name) && { isEmbedding: true }),
    })),
    inputNames: ports.map(({ name }) => name),
    inputShapes: shapes.every((shape) => shape !== undefined) ? shapes : undefined,
    outputNames: model.outputNodes,
    stored: storedWeights(model),
    describe: (name) => valueFacts(model, name),
    run: (xs, outputs) => runGraph(runnable, ports, { xs, names: outputs }),
    async checkGradients(xs, outputs) {
      checkPaths(model, outputs);
      await checkNetworkGradients(network, xs, outputs);
    },
    dispose: () => model.dispose(),
  };
  return network;
}

function trace(model: tf.GraphModel, names: readonly string[]): GradientPaths {
  const nodes = names.map((name) => findNode(model, name)).filter((node) => node !== undefined);
  const layouts = new Map(graphWeights(model).map(({ name, variable }) => [name, variable]));
  return traceGradients(nodes, layouts);
}

/**
 * Refuses outputs without gradients, with all operations that lack one.
 *
 * @throws NeuralDiffError `unsupported-model`
 */
export function checkPaths(model: tf.GraphModel, names: readonly string[]): void {
  const { obstacles, unreached } = trace(model, names);
  const advice = 'choose values before them as "outputs"';
  if (obstacles.length > 0) {
    const ops = new Map(obstacles.map(({ op, name }) => [op, name]));
    const found = [...ops].map(([op, name]) => `${op} ("${name}")`).join(', ');
    throw unsupported(`Cannot train for [${names}]: no gradients for ${found}; ${advice}`);
  }
  if (unreached.length === 0) return;
  const found = unreached.map(({ name }) => `"${name}"`).join(', ');
  throw unsupported(`Cannot train for [${names}]: no weight that can be trained reaches ${found}; ${advice}`);
}

function unsupported(message: string): NeuralDiffError {
  return new NeuralDiffError('unsupported-model', message);
}
