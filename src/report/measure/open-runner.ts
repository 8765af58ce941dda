import { join } from 'node:path';
import type { TensorInfo } from '../../model/tensor.js';
import { readOnnxModel } from '../../onnx/read-graph.js';
import { describeValues } from '../../onnx/values.js';
import { loadNetwork } from '../../recipe/load-network.js';
import { type BaseModel, type OpenBase, openBase } from '../../recipe/open-base.js';
import type { RecipeOptions } from '../../recipe/options.js';
import { loadModel } from '../../tfjs/layers-files.js';
import { type NamedWeight, namedWeights } from '../../tfjs/weights.js';
import type { Data } from '../../train/data.js';
import { createNetworkPredictor } from '../../train/network.js';
import {
  createPredictor,
  createRunner,
  type Predictor,
  type Runner,
  readRows,
} from '../../train/predictor.js';
import { copyPatched } from './apply-cost.js';
import { importOnnxRuntime, type OnnxRuntime, openOnnxRunner } from './onnx-runtime.js';
import { withTemporaryFolder } from './run-program.js';
import { bad } from './truth.js';

/** A model on disk with payloads to apply to it, and which of its values are measured on what. */
export interface LiveModel extends BaseModel, Pick<RecipeOptions, 'outputs' | 'outputKind'> {
  readonly data: Data;
}

/**
 * Loads a model as it is on devices, calls a function with it, and disposes of it. A patched ONNX file is run
 * by ONNX Runtime if that is installed; everything else by TensorFlow.js.
 *
 * @throws NeuralDiffError those of `openBase`; `bad-model`, `unsupported-model`; `bad-data` for outputs that
 *   the model does not have
 */
export async function withRunner<T>(model: LiveModel, use: (runner: Runner) => Promise<T>): Promise<T> {
  const unpatched = await openBase({ base: model.base });
  try {
    const runtime = unpatched.kind === 'onnx' ? await importOnnxRuntime() : undefined;
    if (runtime) {
      const facts = await describeGraph(unpatched, model.outputs);
      return await withOnnxRunner(runtime, { model, facts }, use);
    }
  } finally {
    await unpatched.store.close();
  }
  const base = await openBase(model);
  const { predictor } = await openLive(model, base).finally(() => base.store.close());
  const runner = createRunner(predictor);
  const isStandIn = base.kind === 'onnx';
  const runtime = `${runner.runtime}${isStandIn ? ', as onnxruntime-node is not available' : ''}`;
  return useAndDispose({ ...runner, runtime }, model.data, use);
}

async function useAndDispose<T>(runner: Runner, data: Data, use: (runner: Runner) => Promise<T>): Promise<T> {
  try {
    return await use(await withShapes(runner, data));
  } finally {
    await runner.dispose();
  }
}

/** @returns the runner; shapes of outputs that its file does not tell are taken from a first run */
async function withShapes(runner: Runner, data: Data): Promise<Runner> {
  // The number of steps may differ from one example to the next.
  const isKnown = (shape: readonly (number | null)[]): boolean => {
    return shape.length > 1 && shape.every((size, axis) => size !== null || axis < shape.length - 1);
  };
  if (runner.outputShapes.every(isKnown)) return runner;
  for await (const { outputs } of readRows(data, runner)) {
    const outputShapes = outputs.map(({ shape: [, ...sizes] }) => [null, ...sizes]);
    return { ...runner, outputShapes };
  }
  return runner;
}

/** A model on TensorFlow.js. */
interface OpenLive {
  readonly predictor: Predictor;
  readonly weights: readonly NamedWeight[];
}

async function openLive({ outputs, outputKind }: LiveModel, base: OpenBase): Promise<OpenLive> {
  if (base.kind === 'layers-model') {
    const model = await loadModel(base.files, base.file);
    const predictor = createPredictor(model, { outputKind });
    const measured = placeOf(outputs, predictor);
    return { predictor: { ...predictor, measured }, weights: namedWeights(model) };
  }
  const network = await loadNetwork(base, outputs);
  try {
    return { predictor: createNetworkPredictor(network, { outputs, outputKind }), weights: network.weights };
  } catch (error) {
    network.dispose();
    throw error instanceof RangeError ? bad(error.message) : error;
  }
}

/**
 * @returns the place of the only named output; undefined if none or several are named
 * @throws NeuralDiffError `bad-data` for a name that no output has
 */
function placeOf(names: readonly string[] = [], { outputNames, dispose }: Predictor): number | undefined {
  const missing = names.find((name) => !outputNames.includes(name));
  if (missing === undefined) return names.length === 1 ? outputNames.indexOf(names[0] as string) : undefined;
  dispose();
  const known = outputNames.map((name) => `"${name}"`).join(', ');
  throw bad(`the recipe's "outputs" name "${missing}", but the outputs of the model are ${known}`);
}

/** A model on TensorFlow.js whose weights can be set. */
export interface LiveWeights {
  readonly runner: Runner;
  readonly weights: readonly NamedWeight[];
  /** All tensors, as stored. */
  readonly tensors: readonly TensorInfo[];
}

/**
 * Loads a model onto TensorFlow.js, calls a function with it and its weights, and disposes of it.
 *
 * @throws as `withRunner`
 */
export async function withWeights<T>(model: LiveModel, use: (live: LiveWeights) => Promise<T>): Promise<T> {
  const base = await openBase(model);
  const { tensors } = base.store;
  const { predictor, weights } = await openLive(model, base).finally(() => base.store.close());
  return useAndDispose(createRunner(predictor), model.data, (runner) => use({ runner, weights, tensors }));
}

function withOnnxRunner<T>(
  runtime: OnnxRuntime,
  { model, facts }: { model: LiveModel; facts: Facts },
  use: (runner: Runner) => Promise<T>,
): Promise<T> {
  return withTemporaryFolder(async (folder) => {
    const { base, chain = [], outputs, outputKind } = model;
    const { from, main } = await copyPatched({ base, chain }, join(folder, 'model'));
    const activationOf = (name: string): string | undefined => facts.get(name)?.activation;
    const options = { outputs, outputKind, activationOf };
    return useAndDispose(await openOnnxRunner(runtime, join(from, main), options), model.data, use);
  });
}

/** What is known of the values of a graph, by name. */
type Facts = ReturnType<typeof describeValues>;

/**
 * @returns what is known of the values of a graph, by name
 * @throws NeuralDiffError `bad-data` for outputs that the graph does not have
 */
async function describeGraph({ files, file }: OpenBase, outputs: readonly string[] = []): Promise<Facts> {
  const facts = describeValues((await readOnnxModel(files, file)).graph);
  const missing = outputs.find((name) => !facts.has(name));
  if (missing === undefined) return facts;
  throw bad(`the recipe's "outputs" name "${missing}", but the model has no such value`);
}
