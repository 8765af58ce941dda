// Times training steps of one network in a process of its own, since kernels are registered for a whole
// process.

import * as tf from '@tensorflow/tfjs';
import { openMemoryFiles } from '../../src/model/model-files.js';
import { createOnnxNetwork } from '../../src/onnx/network.js';
import { registerTrainingKernels } from '../../src/tfjs/kernels/register.js';
import { loadGraphModel } from '../../src/tfjs/layers-files.js';
import { createNetworkTask } from '../../src/train/network.js';
import { graphTwin } from './graph-twin.js';
import { median } from './median.js';
import { PAIRS } from './onnx-pairs.js';
import { BATCH, ROUND_STEPS, timeSteps } from './time-steps.js';
import { buildModel, MODELS, noisyExamples } from './train-models.js';
import '@tensorflow/tfjs-backend-wasm';
import {
  createTask,
  fineTune,
  type StepReport,
  type TrainDiffOptions,
  trainHashDiff,
  trainSparseDiff,
} from 'neural-diff/train';

/**
 * What is timed: plain steps on some kernels, diff steps next to plain ones, or steps of a GraphModel or an
 * ONNX graph, on wasm next to those of the same network written for TensorFlow.js.
 */
export type Mode =
  | 'cpu'
  | 'stock'
  | 'composed'
  | 'simd'
  | 'diffs'
  | 'graph-cpu'
  | 'graph'
  | 'onnx-cpu'
  | 'onnx';

const [name, mode, budget] = process.argv.slice(2) as [string, Mode, string];
const spec = MODELS.find((model) => model.name === name) as (typeof MODELS)[number];
const budgetMs = Number(budget);

/** Steps of a round on the cpu backend. */
const CPU_STEPS = 3;

await tf.setBackend(mode.endsWith('cpu') ? 'cpu' : 'wasm');
if (mode === 'composed') registerTrainingKernels({ simd: false });
if (['simd', 'diffs', 'graph', 'onnx'].includes(mode)) registerTrainingKernels();
if (mode.startsWith('graph')) process.send?.(await timeGraph());
else if (mode.startsWith('onnx')) process.send?.(await timeOnnx());
else process.send?.(mode === 'diffs' ? await timeDiffs() : { plain: await timePlain(budgetMs) });

/** @returns milliseconds a plain full training step, the median of as many as the budget allows, or null */
async function timePlain(budget: number): Promise<number | null> {
  const model = buildModel(spec);
  const { xs, ys } = noisyExamples(spec, BATCH);
  const step = async (): Promise<number> => {
    const start = performance.now();
    await model.trainOnBatch(xs, ys);
    return performance.now() - start;
  };
  try {
    const times: number[] = [];
    const first = await step();
    if (first < budget / 3) await step();
    for (const start = performance.now(); times.length === 0 || performance.now() - start < budget; ) {
      times.push(await step());
    }
    return median(times);
  } catch (error) {
    if (/not registered/.test((error as Error).message)) return null;
    throw error;
  } finally {
    model.dispose();
    tf.dispose([xs, ys]);
  }
}

/** @returns median milliseconds a step of a full fine-tune: of a GraphModel, and on wasm of its twin */
async function timeGraph(): Promise<Record<string, number>> {
  const isCpu = mode === 'graph-cpu';
  const graph = await loadGraphModel(openMemoryFiles(graphTwin()));
  const task = createTask(graph, { loss: 'categoricalCrossentropy' });
  const train = noisyExamples(spec, BATCH * (isCpu ? CPU_STEPS : ROUND_STEPS));
  if (isCpu) return timeSteps({ graph: { task, train } }, budgetMs);
  return timeSteps({ graph: { task, train }, twin: { task: createTask(buildModel(spec)), train } }, budgetMs);
}

/** @returns median milliseconds a step of a full fine-tune: of an ONNX graph, and on wasm of its twin */
async function timeOnnx(): Promise<Record<string, number>> {
  const isCpu = mode === 'onnx-cpu';
  const { task, graph, stored, loss, xs, ys, move } = PAIRS[name as keyof typeof PAIRS]();
  const examples = BATCH * (isCpu ? CPU_STEPS : ROUND_STEPS);
  const twin = { task, train: { xs: xs(examples), ys: ys(examples) } };
  const train = { xs: move(twin.train.xs), ys: twin.train.ys };
  const onnx = { task: createNetworkTask(createOnnxNetwork(graph, stored), { loss }), train };
  return isCpu ? timeSteps({ onnx }, budgetMs) : timeSteps({ onnx, twin }, budgetMs);
}

/** @returns median milliseconds a step of each way of training, which take turns */
async function timeDiffs(): Promise<Record<string, number>> {
  const model = buildModel(spec);
  const task = createTask(model, { mode: 'training' });
  const train = noisyExamples(spec, BATCH * ROUND_STEPS);
  const shared = { task, train, batchSize: BATCH, epochs: 1 };
  const fullFineTune = await fineTune(shared);
  // The share that large models are updated within; small ones need some bytes for names.
  const modelBytes = 4 * model.countParams();
  const options: TrainDiffOptions = {
    ...shared,
    budget: Math.max(Math.round(0.01 * modelBytes), 3_000),
    fullFineTune,
  };
  const hash = { ...options, budget: Math.max(Math.round(0.005 * modelBytes), 2_000) };
  const ways: Record<string, (onStep: (report: StepReport) => void) => Promise<unknown>> = {
    plain: (onStep) => plainSteps(model, { xs: train.xs, ys: train.ys, onStep }),
    fineTune: (onStep) => fineTune({ ...shared, onStep }),
    sparse: (onStep) => trainSparseDiff({ ...options, onStep }),
    annealed: (onStep) => trainSparseDiff({ ...options, selection: 'anneal', fixedFrom: 0.9, onStep }),
    hash: (onStep) => trainHashDiff({ ...hash, onStep }),
    hashBlock1: (onStep) => trainHashDiff({ ...hash, block: 1, onStep }),
  };
  const times: Record<string, number[]> = Object.fromEntries(Object.keys(ways).map((way) => [way, []]));
  for (const start = performance.now(); performance.now() - start < budgetMs; ) {
    for (const [way, run] of Object.entries(ways)) {
      const stamps: number[] = [];
      await run(() => stamps.push(performance.now()));
      for (let i = 2; i < stamps.length; i++) {
        times[way]?.push((stamps[i] as number) - (stamps[i - 1] as number));
      }
    }
  }
  return Object.fromEntries(Object.entries(times).map(([way, list]) => [way, median(list)]));
}

/** What a user would write without this package: batches, `trainOnBatch`, Adam. */
async function plainSteps(
  model: tf.LayersModel,
  { xs, ys, onStep }: { xs: tf.Tensor; ys: tf.Tensor; onStep: (report: StepReport) => void },
): Promise<void> {
  for (let step = 0; step < ROUND_STEPS; step++) {
    const [x, y] = [tf.slice(xs, step * BATCH, BATCH), tf.slice(ys, step * BATCH, BATCH)];
    const result = await model.trainOnBatch(x, y);
    tf.dispose([x, y]);
    const [loss] = Array.isArray(result) ? result : [result];
    onStep({ loss } as StepReport);
    if (step % 4 === 0) await tf.nextFrame();
  }
}
