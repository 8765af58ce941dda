// What a training step of an ONNX graph costs, next to one of the same network written for TensorFlow.js.

import * as tf from '@tensorflow/tfjs';
import { createOnnxNetwork } from '../src/onnx/network.js';
import { useBackend } from '../src/tfjs/backend.js';
import { fineTune } from '../src/train/fine-tune.js';
import { createNetworkTask } from '../src/train/network.js';
import type { Task } from '../src/train/task.js';
import { median } from './common/median.js';
import { PAIRS, type Pair } from './common/onnx-pairs.js';
import { type Goal, printBench } from './common/report.js';

/** Most that a step of the graph may cost, in steps of the network. */
const MOST = 1.15;

/** Examples a step, and steps of a round, in which both take turns. */
const BATCH = 64;
const ROUND_STEPS = 24;

const budgetMs = process.argv.includes('--quick') ? 3_000 : 20_000;

/** @returns median milliseconds of a step of each task */
async function timeSteps(
  tasks: readonly Task[],
  data: { xs: tf.Tensor; ys: tf.Tensor }[],
): Promise<number[]> {
  const times: number[][] = tasks.map(() => []);
  for (const start = performance.now(); performance.now() - start < budgetMs; ) {
    for (const [i, task] of tasks.entries()) {
      const stamps: number[] = [];
      const train = data[i] as { xs: tf.Tensor; ys: tf.Tensor };
      await fineTune({
        task,
        train,
        batchSize: BATCH,
        epochs: 1,
        onStep: () => stamps.push(performance.now()),
      });
      for (let k = 2; k < stamps.length; k++)
        times[i]?.push((stamps[k] as number) - (stamps[k - 1] as number));
    }
  }
  return times.map((list) => median(list));
}

async function timePair({ title, name, task, graph, stored, loss, xs, ys, move }: Pair) {
  const network = createOnnxNetwork(graph, stored);
  const other = createNetworkTask(network, { loss });
  const examples = { xs: xs(BATCH * ROUND_STEPS), ys: ys(BATCH * ROUND_STEPS) };
  const moved = { xs: move(examples.xs), ys: examples.ys };
  const [plain = 0, onnx = 0] = await timeSteps([task, other], [examples, moved]);
  tf.dispose([examples, moved]);
  network.dispose();
  return { name, row: { network: title, 'TensorFlow.js ms': plain, 'ONNX ms': onnx, ratio: onnx / plain } };
}

await useBackend('wasm');
const start = performance.now();
const results = [];
for (const pair of PAIRS) results.push(await timePair(pair()));
const rows = results.map(({ row }) => row);
const goals: Goal[] = results.map(({ name, row }) => {
  return { id: `onnx.${name}.step`, value: row.ratio, goal: MOST, better: 'lower' };
});
printBench({ bench: 'onnx', seconds: (performance.now() - start) / 1000, rows, goals });
