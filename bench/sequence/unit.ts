import { parentPort, workerData } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs';
// Consecutive updates for one task with one seed: a chain of full fine-tunes, and chains of diffs of each
// kind.
import { toArrays } from '../../examples/common/task.js';
import type { TrainingPlan } from '../../examples/common/train-base.js';
import { fineTune } from '../../src/train/fine-tune.js';
import { putWeights, takeBase, variablesOf, weightsOfModel } from '../../src/train/session.js';
import type { Task } from '../../src/train/task.js';
import { digestOfWeights, keep } from '../common/keep.js';
import {
  arraysOf,
  type Prepared,
  prepare,
  type StageArrays,
  TASK_PROGRAMS,
  type Unit,
} from '../common/prepare.js';
import { TRAINER_PROGRAMS, TRAINERS } from '../common/trainers.js';
import type { UnitMessage } from '../common/units.js';
import { findTask } from '../tasks/index.js';
import type { Stage, TaskData } from '../tasks/task.js';
import type { Chain, SequenceResult, Step } from './result.js';

/** Share of the float32 model that each update may take. */
const BUDGET = '0.5%';

type Weights = Awaited<ReturnType<typeof takeBase>>['trainable'];

type Kind = keyof typeof TRAINERS;

/** How an update is made: from what the device has to what it will have. */
interface Update {
  readonly method: string;
  /** Module whose code makes it. */
  readonly program: URL;
  make(context: {
    task: Task;
    arrays: StageArrays;
    seed: number;
  }): Promise<{ weights: Weights; bytes: number | null }>;
}

const FINE_TUNE = new URL('../../src/train/fine-tune.js', import.meta.url);

const unit = workerData as Unit;
const say = (message: UnitMessage<SequenceResult>): void => parentPort?.postMessage(message);

async function run(): Promise<SequenceResult> {
  const prepared = await prepare(findTask(unit.task), unit);
  const { task, data } = prepared;
  const plan = data.fineTuning;
  const base = (await takeBase(task)).trainable;
  const kinds = Object.keys(TRAINERS) as Kind[];
  const updates = [updateInFull(plan), ...kinds.filter(isRun).map((kind) => updateByDiff(kind, data))];
  const chains: Chain[] = [];
  for (const update of updates) {
    putWeights(variablesOf(task, base), base);
    chains.push({ method: update.method, steps: await runChain(prepared, update) });
  }
  return { ...unit, weights: prepared.weights, chains };
}

/** Chains of sparse diffs take as long as those of hash diffs. */
function isRun(kind: Kind): boolean {
  return kind === 'hash' || unit.all === true;
}

function updateInFull(plan: TrainingPlan): Update {
  return {
    method: 'full fine-tune',
    program: FINE_TUNE,
    async make({ task, arrays, seed }) {
      const { weights } = await fineTune({ task, train: arrays.train, ...plan, seed });
      return { weights, bytes: null };
    },
  };
}

function updateByDiff(kind: Kind, { fineTuning, diffEpochs }: TaskData): Update {
  const { epochs, batchSize, learningRate } = fineTuning;
  return {
    method: kind,
    program: TRAINER_PROGRAMS[kind],
    async make({ task, arrays, seed }) {
      const { payload, model } = await TRAINERS[kind]({
        task,
        train: arrays.train,
        budget: BUDGET,
        seed,
        batchSize,
        epochs: diffEpochs,
        fineTune: { epochs, learningRate },
      });
      return {
        weights: weightsOfModel(model, new Set((await takeBase(task)).trainable.keys())),
        bytes: payload.length,
      };
    },
  };
}

async function runChain(prepared: Prepared, update: Update): Promise<Step[]> {
  const { task, data } = prepared;
  const { diffEpochs, fineTuning } = data;
  const plan = { ...fineTuning, diffEpochs };
  const baseTest = toArrays((data.stages[0] as Stage).test, data.classes);
  const oldBefore = (await task.evaluate(baseTest)).accuracy as number;
  const steps: Step[] = [];
  for (const [index, stage] of data.stages.slice(1).entries()) {
    const arrays = arraysOf(stage, data.classes);
    const seed = 100 * unit.seed + index;
    const from = digestOfWeights((await takeBase(task)).trainable);
    const { value, isKept } = await keep(
      {
        what: `update-${update.method.replace(' ', '-')}`,
        programs: [...TASK_PROGRAMS, update.program],
        inputs: { ...prepared.inputs, method: update.method, index, from, plan, BUDGET },
      },
      () => update.make({ task, arrays, seed }),
    );
    const { weights, bytes } = value;
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
    const end = `update ${index + 1}: ${accuracy.toFixed(4)}${isKept ? ' (kept)' : ''}`;
    say({ type: 'progress', text: `${unit.task}, seed ${unit.seed}: ${update.method}, ${end}` });
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
