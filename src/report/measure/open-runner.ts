import { join } from 'node:path';
import type { NeuralDiffError } from '../../model/errors.js';
import { loadNetwork } from '../../recipe/load-network.js';
import { type BaseModel, type OpenBase, openBase } from '../../recipe/open-base.js';
import type { RecipeOptions } from '../../recipe/options.js';
import { loadModel } from '../../tfjs/layers-files.js';
import { createNetworkPredictor } from '../../train/network.js';
import { createPredictor, createRunner, type Runner } from '../../train/predictor.js';
import { copyPatched } from './apply-cost.js';
import { importOnnxRuntime, type OnnxRuntime, openOnnxRunner } from './onnx-runtime.js';
import { withTemporaryFolder } from './run-program.js';
import { bad } from './truth.js';

/** A model on disk with payloads to apply to it, and which of its values are measured. */
export interface LiveModel extends BaseModel, Pick<RecipeOptions, 'outputs' | 'outputKind'> {}

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
      const activations = await activationsOf(model, unpatched);
      return await withOnnxRunner(runtime, { model, activations }, use);
    }
  } finally {
    await unpatched.store.close();
  }
  const base = await openBase(model);
  const runner = await openRunner(model, base).finally(() => base.store.close());
  const isStandIn = base.kind === 'onnx';
  const runtime = `${runner.runtime}${isStandIn ? ', as onnxruntime-node is not installed' : ''}`;
  return useAndDispose({ ...runner, runtime }, use);
}

async function useAndDispose<T>(runner: Runner, use: (runner: Runner) => Promise<T>): Promise<T> {
  try {
    return await use(runner);
  } finally {
    await runner.dispose();
  }
}

async function openRunner({ outputs, outputKind }: LiveModel, base: OpenBase): Promise<Runner> {
  if (base.kind === 'layers-model')
    return createRunner(createPredictor(await loadModel(base.files), { outputKind }));
  const network = await loadNetwork(base);
  try {
    return createRunner(createNetworkPredictor(network, { outputs, outputKind }));
  } catch (error) {
    network.dispose();
    throw error instanceof RangeError ? bad(error.message) : error;
  }
}

function withOnnxRunner<T>(
  runtime: OnnxRuntime,
  { model, activations }: { model: LiveModel; activations: Activations },
  use: (runner: Runner) => Promise<T>,
): Promise<T> {
  return withTemporaryFolder(async (folder) => {
    const { base, chain = [], outputs, outputKind } = model;
    const { from, main } = await copyPatched({ base, chain }, join(folder, 'model'));
    const activationOf = (name: string): string | undefined => activations.get(name);
    const options = { outputs, outputKind, activationOf };
    return useAndDispose(await openOnnxRunner(runtime, join(from, main), options), use);
  });
}

/** Activations of the measured outputs, by name. */
type Activations = ReadonlyMap<string, string | undefined>;

/** @returns the activations of the measured outputs by name; empty for operators that only the runtime has */
async function activationsOf(model: LiveModel, base: OpenBase): Promise<Activations> {
  try {
    const { outputNames, activations, dispose } = await openRunner(model, base);
    await dispose();
    return new Map(outputNames.map((name, i) => [name, activations[i]]));
  } catch (error) {
    if ((error as NeuralDiffError).code !== 'unsupported-model') throw error;
    return new Map();
  }
}
