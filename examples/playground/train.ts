import * as tf from '@tensorflow/tfjs';
import { modelFiles, namedWeights, useBackend } from 'neural-diff/tfjs';
import {
  createTask,
  fineTune,
  type TrainDiffOptions,
  trainHashDiff,
  trainSparseDiff,
} from 'neural-diff/train';
import type { EpochRow, Tell, Trained, TrainOptions } from './jobs.js';
import { BASE_CLASSES, CLASSES, TASKS } from './tasks.js';

/** How much base and full fine-tune are trained. */
const PLAN = { epochs: 16, learningRate: 4e-3, batchSize: 32 } as const;

/** Trains a base on two classes, and a diff of it on all four: in a page and in Node.js the same bytes. */
export async function train(options: TrainOptions, tell: Pick<Tell, 'epoch'>): Promise<Trained> {
  await useBackend('wasm');
  const { createModel, draw } = TASKS[options.task];
  const model = createModel();
  model.compile({ optimizer: 'sgd', loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
  const task = createTask(model);
  const onEpoch = (phase?: 'base') => (report: Parameters<NonNullable<TrainDiffOptions['onEpoch']>>[0]) => {
    const { epoch, epochs, loss, state } = report;
    const row: EpochRow = { phase: phase ?? report.phase, epoch, epochs, loss, density: state.density };
    tell.epoch(row);
  };
  const known = draw(BASE_CLASSES, 200, 'base');
  const base = await fineTune({ ...PLAN, task, train: known, seed: options.seed, onEpoch: onEpoch('base') });
  await setWeights(model, base.weights);
  const validation = draw(CLASSES, 100, 'validation');
  const data = draw(CLASSES, 200, 'train');
  const shared = { task, train: data, validation, seed: options.seed, onEpoch: onEpoch() };
  const full = await fineTune({ ...PLAN, ...shared });
  const diffOptions = {
    ...{ ...shared, fullFineTune: full },
    ...{ budget: options.budget as `${number}%`, epochs: options.epochs, batchSize: PLAN.batchSize },
  };
  const { payload, metrics, share } =
    options.kind === 'hash'
      ? await trainHashDiff(diffOptions)
      : await trainSparseDiff({ ...diffOptions, selection: 'anneal' });
  const files = await filesOf(model);
  await setWeights(model, full.weights);
  const accuracyOf = ({ accuracy = Number.NaN }: Readonly<Record<string, number>>): number => accuracy;
  return {
    payload: payload.slice(),
    sha256: await digestOf(payload),
    modelBytes: Math.round(payload.length / share),
    accuracy: {
      base: accuracyOf(metrics.base),
      full: accuracyOf(metrics.full),
      diff: accuracyOf(metrics.diff),
    },
    examples: validation.ys.shape[0] as number,
    files,
    fullFiles: await filesOf(model),
  };
}

/** @returns a copy of a model's files */
async function filesOf(model: tf.LayersModel): Promise<Trained['files']> {
  return Array.from(await modelFiles(model), ([path, bytes]) => ({ path, bytes: bytes.slice() }));
}

/** Gives a model the weights that were trained. */
async function setWeights(model: tf.LayersModel, weights: ReadonlyMap<string, Float32Array>): Promise<void> {
  for (const { name, variable } of namedWeights(model)) {
    const values = weights.get(name);
    if (values === undefined) continue;
    const tensor = tf.tensor(values, variable.shape);
    variable.assign(tensor);
    tensor.dispose();
  }
}

async function digestOf(bytes: Uint8Array): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes.slice()));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
