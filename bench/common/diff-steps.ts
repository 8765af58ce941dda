// What a step of each kind of training takes, on any backend, in processes and pages.

import * as tf from '@tensorflow/tfjs';
import {
  createTask,
  fineTune,
  type StepReport,
  type TrainDiffOptions,
  trainHashDiff,
  trainSparseDiff,
} from 'neural-diff/train';
import { median } from './median.js';
import type { Round } from './paired-ratios.js';
import { BATCH } from './time-steps.js';
import { type BenchModel, buildModel, noisyExamples } from './train-models.js';

/** How long to train. */
export interface Rounds {
  /** Milliseconds after which no round begins. */
  readonly budgetMs: number;
  /** Steps of every way of training in a round. */
  readonly steps: number;
  /** Rounds whatever they take; 1 by default. */
  readonly atLeast?: number;
}

/**
 * Trains on the active backend until a time is up; ways of training take turns.
 *
 * @returns for every round, median milliseconds a step by way of training
 */
export async function timeDiffs(spec: BenchModel, rounds: Rounds): Promise<Round[]> {
  const model = buildModel(spec);
  const task = createTask(model, { mode: 'training' });
  const train = noisyExamples(spec, BATCH * rounds.steps);
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
  const timed: Round[] = [];
  const start = performance.now();
  while (timed.length < (rounds.atLeast ?? 1) || performance.now() - start < rounds.budgetMs) {
    const round: Record<string, number> = {};
    for (const [way, run] of Object.entries(ways)) round[way] = await medianStep(run);
    timed.push(round);
  }
  return timed;
}

/** @returns median milliseconds between steps, without the first of them */
async function medianStep(run: (onStep: () => void) => Promise<unknown>): Promise<number> {
  const stamps: number[] = [];
  await run(() => stamps.push(performance.now()));
  return median(stamps.slice(2).map((stamp, i) => stamp - (stamps[i + 1] as number)));
}

/** What a user would write without this package: batches, `trainOnBatch`, Adam. */
async function plainSteps(
  model: tf.LayersModel,
  { xs, ys, onStep }: ReturnType<typeof noisyExamples> & { onStep: (report: StepReport) => void },
): Promise<void> {
  for (let step = 0; step * BATCH < (xs.shape[0] as number); step++) {
    const [x, y] = [tf.slice(xs, step * BATCH, BATCH), tf.slice(ys, step * BATCH, BATCH)];
    const result = await model.trainOnBatch(x, y);
    tf.dispose([x, y]);
    const [loss] = Array.isArray(result) ? result : [result];
    onStep({ loss } as StepReport);
    if (step % 4 === 0) await tf.nextFrame();
  }
}
