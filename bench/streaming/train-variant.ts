import * as tf from '@tensorflow/tfjs';
import { calibrateArbitrator } from '../../examples/streaming-keywords/calibrate.js';
import type { FrameSet, StageSets } from '../../examples/streaming-keywords/data.js';
import { createStreamModel, DENSE, type StreamNetwork } from '../../examples/streaming-keywords/model.js';
import { shrinkInto } from '../../examples/streaming-keywords/shrink.js';
import {
  type StreamTraining,
  setWeights,
  toStreamArrays,
  trainStreamModel,
} from '../../examples/streaming-keywords/training.js';
import { CLASSES } from '../../examples/streaming-keywords/vocabulary.js';
import { namedWeights } from '../../src/tfjs/weights.js';
import type { Variant } from './variants.js';

/** Epochs of the dense recogniser, and of everything that goes on from it. */
const EPOCHS = { first: 12, next: 14 };
const QUICK_EPOCHS = { first: 10, next: 3 };

const LEARNING_RATE = 0.001;

/** Share of the frames that a switch by energy gives to the full branch. */
const ENERGY_SHARE = 0.3;

/** Weights by name. */
export type Weights = ReadonlyMap<string, Float32Array>;

export interface TrainSettings {
  readonly seed: number;
  readonly quick: boolean;
}

/** @returns the energy from which on the full branch runs in the share of the frames */
export function energyLimit({ energies }: FrameSet): number {
  return energies.slice().sort()[Math.floor((1 - ENERGY_SHARE) * energies.length)] as number;
}

export function networkOf({ branches, choice }: Variant, seed: number): StreamNetwork {
  return { branches, choice, classes: CLASSES.length, seed };
}

/** Trains the dense recogniser that all others go on from. */
export async function trainDense(sets: StageSets, { seed, quick }: TrainSettings): Promise<Weights> {
  const model = createDense(seed);
  const epochs = (quick ? QUICK_EPOCHS : EPOCHS).first;
  await train(model, sets.train, { epochs, learningRate: LEARNING_RATE, seed });
  return takeWeights(model);
}

function createDense(seed: number): tf.LayersModel {
  return createStreamModel({ branches: { full: DENSE }, classes: CLASSES.length, seed });
}

/** Trains a variant from the dense recogniser, and calibrates its arbitrator. */
export async function trainVariant(
  variant: Variant,
  dense: Weights,
  { sets, seed, quick }: TrainSettings & { readonly sets: StageSets },
): Promise<Weights> {
  const model = createStreamModel(networkOf(variant, seed));
  const trained = createDense(seed);
  setWeights(trained, dense);
  shrinkInto(trained, model, variant.branches);
  trained.dispose();
  const epochs = (quick ? QUICK_EPOCHS : EPOCHS).next;
  const options = { epochs, learningRate: LEARNING_RATE, seed, prices: variant.prices };
  await train(model, sets.train, options);
  if (variant.prices) calibrateArbitrator(model, sets.validation);
  return takeWeights(model);
}

async function train(model: tf.LayersModel, set: FrameSet, options: StreamTraining): Promise<void> {
  const arrays = toStreamArrays(model, set, { limit: energyLimit(set) });
  await trainStreamModel(model, arrays, options);
  tf.dispose(Object.values(arrays).flat());
}

function takeWeights(model: tf.LayersModel): Weights {
  const weights = namedWeights(model).map(
    ({ name, variable }) => [name, variable.dataSync().slice() as Float32Array] as const,
  );
  model.dispose();
  return new Map(weights);
}
