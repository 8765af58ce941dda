// Times diffs of one network of one size in a process of its own, whose peak memory is the case's.

import * as tf from '@tensorflow/tfjs';
import { NeuralDiffError } from 'neural-diff';
import { useBackend } from 'neural-diff/tfjs';
import { createTask, fineTune, type StepReport, trainHashDiff, trainSparseDiff } from 'neural-diff/train';
import { median } from '../common/median.js';
import { type GrowingNetwork, labels, NETWORKS } from './networks.js';

/** What a case measured. */
export interface GrowthTimes {
  readonly weights: number;
  readonly plainMs: number;
  /** A diff step / a plain step. */
  readonly step: number;
  /** Wall time of the trainer that no step took. */
  readonly outsideSeconds: number;
  /** The same of the full fine-tune. */
  readonly fineTuneSeconds: number;
  readonly peakBytes: number;
}

/** A case that the trainer refused, or that failed. */
export interface GrowthRefusal {
  readonly refused: string;
}

/** Steps a run: the first one or two are left out, as memory grows in them. */
const STEPS = 7;
const FIRST_STEPS = 2;

/** Payload bytes as a share of the trained weights in float32. */
const SHARE = 0.005;

/** Bytes for header and names; they matter where few weights are trained. */
const NAMES = 1_000;

const [name, kind, weights, budget] = process.argv.slice(2) as [string, 'hash' | 'sparse', string, string];
const network = NETWORKS.find((each) => each.name === name) as GrowingNetwork;

await useBackend('wasm');
const result = await measure(Number(weights), Number(budget)).catch(refusal);
process.send?.(result);

function refusal(error: unknown): GrowthRefusal {
  if (!(error instanceof NeuralDiffError)) throw error;
  return { refused: error.code };
}

/** Runs plain steps and the trainer in turns for as long as the budget allows, at least once each. */
async function measure(size: number, budgetMs: number): Promise<GrowthTimes> {
  const model = network.build(size);
  const task = createTask(model, { mode: 'training' });
  const train = { xs: network.inputs(STEPS * network.batch, size), ys: labels(STEPS * network.batch) };
  const shared = { task, train, batchSize: network.batch, epochs: 1 };
  const trainer = kind === 'hash' ? trainHashDiff : trainSparseDiff;
  const full = await timeRun((onStep) => fineTune({ ...shared, onStep }));
  const trained = [...full.result.deltas.values()].reduce((sum, { length }) => sum + length, 0);
  const bytes = NAMES + Math.round(SHARE * 4 * trained);
  const options = { ...shared, budget: bytes, fullFineTune: full.result, distillation: false } as const;
  const diffs = [await timeRun((onStep) => trainer({ ...options, onStep }))];
  const peakBytes = 1024 * process.resourceUsage().maxRSS;
  const plain = [await timeRun((onStep) => plainSteps(model, train, onStep))];
  for (const start = performance.now(); performance.now() - start < budgetMs; ) {
    diffs.push(await timeRun((onStep) => trainer({ ...options, onStep })));
    plain.push(await timeRun((onStep) => plainSteps(model, train, onStep)));
  }
  const plainMs = median(plain.flatMap(({ steps }) => steps));
  return {
    weights: model.countParams(),
    plainMs,
    step: median(diffs.flatMap(({ steps }) => steps)) / plainMs,
    outsideSeconds: median(diffs.map(({ outsideSeconds }) => outsideSeconds)),
    fineTuneSeconds: full.outsideSeconds,
    peakBytes,
  };
}

/** Times a run's steps, and what is left of its time; its first step counts as the others' median. */
async function timeRun<T>(run: (onStep: (report: StepReport) => void) => Promise<T>) {
  const stamps: number[] = [];
  const start = performance.now();
  const result = await run(() => stamps.push(performance.now()));
  const total = performance.now() - start;
  const times = stamps.slice(1).map((stamp, i) => stamp - (stamps[i] as number));
  const steps = times.slice(FIRST_STEPS - 1);
  const inSteps = times.reduce((sum, time) => sum + time, median(steps));
  return { result, steps, outsideSeconds: (total - inSteps) / 1000 };
}

/** What a user would write without this package. */
async function plainSteps(
  model: tf.LayersModel,
  { xs, ys }: { xs: tf.Tensor; ys: tf.Tensor },
  onStep: (report: StepReport) => void,
): Promise<void> {
  for (let step = 0; step < STEPS; step++) {
    const [from, count] = [step * network.batch, network.batch];
    const [x, y] = [tf.slice(xs, from, count), tf.slice(ys, from, count)];
    const result = await model.trainOnBatch(x, y);
    tf.dispose([x, y]);
    onStep({ loss: [result].flat()[0] } as StepReport);
  }
}
