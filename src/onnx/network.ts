import { openContainer } from '../containers/open-container.js';
import type { ModelFiles } from '../model/model-files.js';
import { copyModel } from '../model/store.js';
import type { Network } from '../train/network.js';
import { checkGradients } from './check-gradients.js';
import { checkOperators } from './check-operators.js';
import type { OnnxModel } from './graph.js';
import { readOnnxModel } from './read-graph.js';
import { Runner } from './runner.js';
import { describeValues } from './values.js';
import { partFor } from './walk.js';
import { createWeights, type OnnxWeights, type StoredModel } from './weights.js';

/**
 * Opens an ONNX model as a network. What is trained: see `createWeights`.
 *
 * @param files the folder that holds the model; it stays open, and may be closed afterwards
 * @param file the file's path in the folder
 * @param names values that are trained or run; by default the model's outputs. Nodes that they do not need
 *   are left out.
 * @throws NeuralDiffError `unsupported-model`, naming all operators that are not supported; errors of
 *   `openContainer`
 */
export async function openOnnxNetwork(
  files: ModelFiles,
  file: string,
  names?: readonly string[],
): Promise<Network> {
  const model = await readOnnxModel(files, file);
  const part = names ? { ...model, graph: partFor(model.graph, names) } : model;
  checkOperators(part);
  const store = await openContainer(files, file);
  const { tensors } = await copyModel(store);
  const network = createOnnxNetwork(part, { tensors, readOnly: store.readOnly });
  return { ...network, outputNames: model.graph.outputs.map(({ name }) => name) };
}

/** Creates a network from a model and its tensors. */
export function createOnnxNetwork(model: OnnxModel, stored: StoredModel): Network {
  checkOperators(model);
  const { inputs, outputs } = model.graph;
  const weights = createWeights(model, stored);
  const runner = createRunner(model, weights);
  const facts = describeValues(model.graph);
  return {
    weights: weights.trained,
    inputNames: inputs.map(({ name }) => name),
    inputShapes: inputs.map(({ shape = [] }) => shape.map((size, axis) => (axis === 0 ? null : size))),
    outputNames: outputs.map(({ name }) => name),
    stored: weights.stored,
    describe: (name) => facts.get(name),
    run: (xs, names) => runner.run(xs, names),
    checkGradients: (xs, names) => checkGradients({ runner, weights: weights.trained, xs, names }),
    dispose() {
      runner.dispose();
      weights.dispose();
    },
  };
}

function createRunner(model: OnnxModel, weights: OnnxWeights): Runner {
  try {
    return new Runner(model, weights);
  } catch (error) {
    weights.dispose();
    throw error;
  }
}
