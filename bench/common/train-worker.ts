// Times training steps of one network in a process of its own, since kernels are registered for a whole
// process.

import * as tf from '@tensorflow/tfjs';
import { openMemoryFiles } from '../../src/model/model-files.js';
import { registerTrainingKernels } from '../../src/tfjs/kernels/register.js';
import { loadGraphModel } from '../../src/tfjs/layers-files.js';
import { BATCH, timeDiffs } from './diff-steps.js';
import { graphTwin } from './graph-twin.js';
import { median } from './median.js';
import { buildModel, MODELS, noisyExamples } from './train-models.js';
import '@tensorflow/tfjs-backend-wasm';
import { createTask, fineTune, type Task } from 'neural-diff/train';

/**
 * What is timed: plain steps on some kernels, diff steps next to plain ones, or steps of a GraphModel, on
 * wasm next to those of a LayersModel.
 */
export type Mode = 'cpu' | 'stock' | 'composed' | 'simd' | 'diffs' | 'graph-cpu' | 'graph';

/** Steps of a round, when ways of training take turns. */
const ROUND_STEPS = 24;

const [name, mode, budget] = process.argv.slice(2) as [string, Mode, string];
const spec = MODELS.find((model) => model.name === name) as (typeof MODELS)[number];
const budgetMs = Number(budget);

await tf.setBackend(mode.endsWith('cpu') ? 'cpu' : 'wasm');
if (mode === 'composed') registerTrainingKernels({ simd: false });
if (mode === 'simd' || mode === 'diffs' || mode === 'graph') registerTrainingKernels();
if (mode.startsWith('graph')) process.send?.(await timeGraph());
else
  process.send?.(
    mode === 'diffs'
      ? await timeDiffs(spec, { budgetMs, steps: ROUND_STEPS })
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
  const tasks: Record<string, Task> = { graph: createTask(graph, { loss: 'categoricalCrossentropy' }) };
  if (!isCpu) tasks.layers = createTask(buildModel(spec));
  const train = noisyExamples(spec, BATCH * (isCpu ? 3 : ROUND_STEPS));
  const times = new Map(Object.keys(tasks).map((way): [string, number[]] => [way, []]));
  for (const start = performance.now(); performance.now() - start < budgetMs; ) {
    for (const [way, task] of Object.entries(tasks)) {
      const stamps: number[] = [];
      await fineTune({
        task,
        train,
        batchSize: BATCH,
        epochs: 1,
        onStep: () => stamps.push(performance.now()),
      });
      times.get(way)?.push(...stamps.slice(1).map((stamp, i) => stamp - (stamps[i] as number)));
    }
  }
  return Object.fromEntries([...times].map(([way, list]) => [way, median(list)]));
}
