// Times training steps of one network in a process of its own, since kernels are registered for a whole
// process.

import * as tf from '@tensorflow/tfjs';
import { openMemoryFiles } from '../../src/model/model-files.js';
import { createOnnxNetwork } from '../../src/onnx/network.js';
import { registerTrainingKernels } from '../../src/tfjs/kernels/register.js';
import { loadGraphModel } from '../../src/tfjs/layers-files.js';
import { createNetworkTask } from '../../src/train/network.js';
import { timeDiffs } from './diff-steps.js';
import { graphTwin } from './graph-twin.js';
import { median } from './median.js';
import { PAIRS } from './onnx-pairs.js';
import { BATCH, ROUND_STEPS, timeSteps } from './time-steps.js';
import { buildModel, MODELS, noisyExamples } from './train-models.js';
import '@tensorflow/tfjs-backend-wasm';
import { createTask } from 'neural-diff/train';

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

/** Rounds of diffs, as pairs of fewer say little. */
const ROUNDS = 5;

/** Steps of a round on the cpu backend. */
const CPU_STEPS = 3;

await tf.setBackend(mode.endsWith('cpu') ? 'cpu' : 'wasm');
if (mode === 'composed') registerTrainingKernels({ simd: false });
if (['simd', 'diffs', 'graph', 'onnx'].includes(mode)) registerTrainingKernels();
if (mode.startsWith('graph')) process.send?.(await timeGraph());
else if (mode.startsWith('onnx')) process.send?.(await timeOnnx());
else
  process.send?.(
    mode === 'diffs'
      ? await timeDiffs(spec, { budgetMs, steps: ROUND_STEPS, atLeast: ROUNDS })
      : { plain: await timePlain(budgetMs) },
  );

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
