import { floatsOf } from '../../../model/float16.js';
import type { Tensor, TensorInfo } from '../../../model/tensor.js';
import { copyWeights, type NamedWeight } from '../../../tfjs/weights.js';
import type { Data } from '../../../train/data.js';
import type { Values } from '../../../train/part.js';
import { type Runner, readRows } from '../../../train/predictor.js';
import { putWeights } from '../../../train/session.js';
import { compareModels, type Predictions, qualityOf, type Truth } from '../../assess.js';
import type { Standing } from '../../precision.js';
import { predict } from '../predict.js';
import type { PrecisionProbe } from './choose-precision.js';

/** A model on TensorFlow.js whose weights can be set, and examples. */
export interface LiveModelData {
  readonly runner: Runner;
  readonly weights: readonly NamedWeight[];
  /** All tensors, as stored. */
  readonly tensors: readonly TensorInfo[];
  readonly data: Data;
  readonly truth: Truth;
  readonly signal?: AbortSignal | undefined;
}

/** @returns a probe of a live model, which has its own weights again after each run */
export async function createProbe(live: LiveModelData): Promise<PrecisionProbe> {
  const floats = await floatTensors(live);
  const chosen = live.weights.filter(({ name }) => floats.has(name));
  const variables = new Map(chosen.map(({ name, variable }) => [name, variable]));
  let base: Predictions | undefined;
  return {
    tensors: live.tensors,
    floats,
    async measure(rounded) {
      const own = new Map([...rounded.keys()].map((name) => [name, floatsOf(floats.get(name) as Tensor)]));
      base ??= await predictions(live);
      if (rounded.size === 0 || base === undefined) return base && standingOf(live.truth, base, base);
      const found = await withWeights(variables, { rounded, own }, () => predictions(live));
      return found && standingOf(live.truth, base, found);
    },
  };
}

/** @returns the tensors that the file stores in float32 and the model computes with */
async function floatTensors({ weights, tensors }: LiveModelData): Promise<Map<string, Tensor>> {
  const stored = new Map(tensors.map((info) => [info.name, info]));
  const fitting = weights.filter(({ name, variable }) => {
    const info = stored.get(name);
    return info?.dtype === 'float32' && info.shape.join() === variable.shape.join();
  });
  const model = await copyWeights(fitting);
  return new Map(model.tensors.map((tensor) => [tensor.name, tensor]));
}

type Variables = Parameters<typeof putWeights>[0];

async function withWeights<T>(
  variables: Variables,
  { rounded, own }: { readonly rounded: Values; readonly own: Values },
  run: () => Promise<T>,
): Promise<T> {
  const set = new Map([...variables].filter(([name]) => rounded.has(name)));
  try {
    putWeights(set, rounded);
    return await run();
  } finally {
    putWeights(set, own);
  }
}

/** @returns undefined for outputs that are no probabilities */
async function predictions({ runner, data, truth, signal }: LiveModelData): Promise<Predictions | undefined> {
  const onExamples = (): void => signal?.throwIfAborted();
  const found = await predict(runner, { data, truth, readRows, onExamples });
  return 'predictions' in found ? found.predictions : undefined;
}

function standingOf(truth: Truth, reference: Predictions, candidate: Predictions): Standing {
  return {
    loss: crossEntropy(truth, candidate),
    accuracy: qualityOf(truth, candidate).accuracy,
    gap: compareModels(truth, { reference, candidate }).gap,
    probabilityGap: meanOfRight(truth, reference) - meanOfRight(truth, candidate),
  };
}

/** Lower bound of probabilities in a loss, which keeps it finite. */
const LEAST_PROBABILITY = 1e-12;

/** @returns the mean of minus the logarithm of the right class's probability */
function crossEntropy(truth: Truth, predictions: Predictions): number {
  return meanOfRight(truth, predictions, (right) => -Math.log(Math.max(LEAST_PROBABILITY, right)));
}

/** @returns the mean over the examples of something of the right class's probability, by default itself */
function meanOfRight(
  { classes: rights }: Truth,
  { classes, probabilities }: Predictions,
  of: (probability: number) => number = (probability) => probability,
): number {
  let sum = 0;
  for (const [i, right] of rights.entries()) sum += of(probabilities[i * classes + right] as number);
  return sum / rights.length;
}
