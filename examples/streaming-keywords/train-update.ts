import * as tf from '@tensorflow/tfjs';
import { useBackend } from 'neural-diff/tfjs';
import { fineTune, type StepReport, type TrainedDiff, trainHashDiff } from 'neural-diff/train';
import { calibrateArbitrator } from './calibrate.js';
import type { FrameSet, StageSets } from './data.js';
import { createStreamModel, DENSE, FAST, FULL, type StreamNetwork } from './model.js';
import { shrinkInto } from './shrink.js';
import {
  createStreamTask,
  PRICES,
  routeLayerOf,
  type StreamTraining,
  TRAINED_TEMPERATURE,
  toStreamArrays,
  trainStreamModel,
} from './training.js';
import { CLASSES } from './vocabulary.js';

/** Epochs of the dense recogniser, of the one with two branches, of the reference, and of the diff. */
export interface Epochs {
  readonly dense: number;
  readonly routed: number;
  readonly reference: number;
  readonly diff: number;
}

/** How a recogniser and its update are trained. */
export interface UpdateTraining {
  readonly seed: number;
  readonly epochs: Epochs;
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: ((report: StepReport) => void) | undefined;
}

/** Share of the float32 model that the payload may take. */
const BUDGET = '0.5%';

const LEARNING_RATE = 0.001;

/** Of the update, which trains few layers. */
const UPDATE_RATE = 0.002;

/**
 * What the update may change: new words take other combinations of what the branches find, and the arbitrator
 * stays as it is.
 */
const UPDATED = ['words/*', '*/dense3/*'];

/** @returns the network of the example: two branches whose kernels are factorised */
export function networkOf(seed: number): StreamNetwork {
  return { branches: { full: FULL, fast: FAST }, classes: CLASSES.length, seed };
}

/** Trains the base: first one dense branch, then the two that it becomes with the arbitrator. */
export async function trainRecogniser(
  { train, validation }: StageSets,
  { epochs, ...options }: UpdateTraining,
): Promise<tf.LayersModel> {
  await useBackend('wasm');
  const { seed } = options;
  const dense = createStreamModel({ branches: { full: DENSE }, classes: CLASSES.length, seed });
  await trainOn(train, dense, { ...options, epochs: epochs.dense, learningRate: LEARNING_RATE });
  const network = networkOf(seed);
  const model = createStreamModel(network);
  shrinkInto(dense, model, network.branches);
  dense.dispose();
  const routed = { epochs: epochs.routed, learningRate: LEARNING_RATE, prices: PRICES.short };
  await trainOn(train, model, { ...options, ...routed });
  calibrateArbitrator(model, validation);
  return model;
}

async function trainOn(set: FrameSet, model: tf.LayersModel, options: StreamTraining): Promise<void> {
  const arrays = toStreamArrays(model, set);
  try {
    await trainStreamModel(model, arrays, options);
  } finally {
    tf.dispose(Object.values(arrays).flat());
  }
}

/** Trains a hash diff that teaches a recogniser what is in the streams; its weights stay as they are. */
export async function trainUpdate(
  model: tf.LayersModel,
  { train }: StageSets,
  { epochs, ...options }: UpdateTraining,
): Promise<TrainedDiff> {
  const arrays = toStreamArrays(model, train);
  const task = createStreamTask(model, PRICES.short);
  const layer = routeLayerOf(model);
  // Hard choices have no gradients.
  if (layer) layer.temperature = TRAINED_TEMPERATURE;
  try {
    const shared = { ...options, task, train: arrays, only: UPDATED, batchSize: 8 };
    const full = await fineTune({ ...shared, epochs: epochs.reference, learningRate: UPDATE_RATE });
    return await trainHashDiff({ ...shared, epochs: epochs.diff, fullFineTune: full, budget: BUDGET });
  } finally {
    if (layer) layer.temperature = 0;
    tf.dispose(Object.values(arrays).flat());
  }
}
