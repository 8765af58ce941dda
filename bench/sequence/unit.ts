import { parentPort, workerData } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs';
// Consecutive updates for one task with one seed: a chain of full fine-tunes, and chains of diffs of each
// kind.
import { toArrays } from '../../examples/common/task.js';
import type { TrainingPlan } from '../../examples/common/train-base.js';
import { fineTune } from '../../src/train/fine-tune.js';
import { putWeights, takeBase, variablesOf, weightsOfModel } from '../../src/train/session.js';
import type { Task } from '../../src/train/task.js';
import type { TrainDiffOptions, TrainedDiff } from '../../src/train/train-diff.js';
import {
  arraysOf,
  LONGER,
  type Prepared,
  prepare,
  type StageArrays,
  TRAINERS,
  tuneFull,
  type Unit,
} from '../common/prepare.js';
import type { UnitMessage } from '../common/units.js';
import { findTask } from '../tasks/index.js';
import type { Stage } from '../tasks/task.js';
import type { Chain, SequenceResult, Step } from './result.js';

/** Share of the float32 model that each update may take. */
const BUDGET = '0.5%';

type Weights = Awaited<ReturnType<typeof takeBase>>['trainable'];

/** How an update is made: from what the device has to what it will have. */
type Update = (context: {
  task: Task;
  arrays: StageArrays;
  seed: number;
}) => Promise<{ weights: Weights; bytes: number | null }>;

const unit = workerData as Unit;
const say = (message: UnitMessage<SequenceResult>): void => parentPort?.postMessage(message);

async function run(): Promise<SequenceResult> {
  const prepared = await prepare(findTask(unit.task), unit);
  const { task, data } = prepared;
  const first = arraysOf(data.stages[1] as Stage, data.classes);
  const { plan } = await tuneFull(task, first, { plan: data.fineTuning, ...unit });
  tf.dispose(Object.values(first).flatMap(Object.values));
  const base = (await takeBase(task)).trainable;
  const updates: [string, Update][] = [
    ['full fine-tune', updateInFull(plan)],
    ...Object.entries(TRAINERS).map(([kind, train]): [string, Update] => [kind, updateByDiff(train, plan)]),
  ];
  const chains: Chain[] = [];
  for (const [method, update] of updates) {
    putWeights(variablesOf(task, base), base);
    chains.push({ method, steps: await runChain(prepared, { method, update }) });
  }
  return { ...unit, weights: prepared.weights, chains };
}

function updateInFull(plan: TrainingPlan): Update {
  return async ({ task, arrays, seed }) => {
    const { weights } = await fineTune({ task, train: arrays.train, ...plan, seed });
    return { weights, bytes: null };
  };
}

function updateByDiff(
  train: (options: TrainDiffOptions) => Promise<TrainedDiff>,
  plan: TrainingPlan,
): Update {
  return async ({ task, arrays, seed }) => {
    const { epochs, batchSize, learningRate } = plan;
    const { payload, model } = await train({
      task,
      train: arrays.train,
      budget: BUDGET,
      seed,
      batchSize,
      epochs: LONGER * epochs,
      fineTune: { epochs, learningRate },
    });
    return {
      weights: weightsOfModel(model, new Set((await takeBase(task)).trainable.keys())),
      bytes: payload.length,
    };
  };
}

async function runChain(
  { task, data }: Prepared,
  { method, update }: { method: string; update: Update },
): Promise<Step[]> {
  const baseTest = toArrays((data.stages[0] as Stage).test, data.classes);
  const oldBefore = (await task.evaluate(baseTest)).accuracy as number;
  const steps: Step[] = [];
  for (const [index, stage] of data.stages.slice(1).entries()) {
    const arrays = arraysOf(stage, data.classes);
    const { weights, bytes } = await update({ task, arrays, seed: 100 * unit.seed + index });
    putWeights(variablesOf(task, weights), weights);
    const accuracy = (await task.evaluate(arrays.test)).accuracy as number;
    const old = (await task.evaluate(baseTest)).accuracy as number;
    steps.push({
      update: index + 1,
      bytes,
      accuracy,
      oldLoss: oldBefore - old,
      largestDense: await largestDense(task),
    });
    tf.dispose(Object.values(arrays).flatMap(Object.values));
    const text = `${unit.task}, seed ${unit.seed}: ${method}, update ${index + 1}: ${accuracy.toFixed(4)}`;
    say({ type: 'progress', text });
  }
  tf.dispose(Object.values(baseTest));
  return steps;
}

/** @returns the largest absolute value among the trained tensors of one dimension; 0 without any */
async function largestDense(task: Task): Promise<number> {
  let largest = 0;
  for (const { variable, trainable } of task.weights) {
    if (!trainable || variable.shape.length !== 1) continue;
    for (const value of await variable.data()) largest = Math.max(largest, Math.abs(value));
  }
  return largest;
}

say({ type: 'result', result: await run() });
