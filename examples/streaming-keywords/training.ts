import * as tf from '@tensorflow/tfjs';
import { namedWeights } from 'neural-diff/tfjs';
import { createTask, fineTune, type StepReport, type Task, temperatureAt } from 'neural-diff/train';
import { type FrameSet, STREAM_FRAMES } from './data.js';
import { FRAME_FEATURES, WINDOW_FRAMES } from './frames.js';
import { RouteLayer } from './route-layer.js';
import { CLASSES } from './vocabulary.js';

/** What the loss takes for computation and for waiting, besides the cross-entropy of a frame. */
export interface RoutePrices {
  /** Of a frame that the full branch runs. */
  readonly compute: number;
  /** Of a frame that waits behind another one. */
  readonly waiting: number;
}

/**
 * Prices of the recogniser: with the latency term, and without. They rise from 0 in training, so that the
 * full branch learns first; `calibrateArbitrator` saves more computation afterwards.
 */
export const PRICES = {
  latency: { compute: 0.065, waiting: 0.004 },
  compute: { compute: 0.065, waiting: 0 },
  /** With the latency term, for a training of few epochs: its arbitrator tells frames apart less well. */
  short: { compute: 0.08, waiting: 0.004 },
} as const satisfies Record<string, RoutePrices>;

/** Times of the full path in frames with which streams are trained: above 1 it cannot keep up. */
export const TRAINED_LOADS = [0.5, 0.8, 1.3, 1.6];

/**
 * Scores are about 0.85 at first, so choices are about 70 : 30; at the last temperature the same score gives
 * 99.99 : 0.01.
 */
const TEMPERATURES = { first: 1, last: 0.09 };

/** Temperature of the choices of a trained model while updates train: soft enough for gradients. */
export const TRAINED_TEMPERATURE = TEMPERATURES.last;

/** Share of the steps after which the temperature stays. */
const ANNEALED = 0.7;

/** Shares of the steps between which the prices rise from 0. */
const CHARGED = { from: 0.2, to: 0.7 };

/** How a recogniser is trained. */
export interface StreamTraining {
  readonly epochs: number;
  readonly learningRate: number;
  readonly seed: number;
  readonly prices?: RoutePrices | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: ((report: StepReport) => void) | undefined;
}

const BATCH_SIZE = 8;

/** Streams as a model takes them; the caller disposes of them. */
export interface StreamArrays {
  readonly xs: tf.Tensor[];
  readonly ys: tf.Tensor[];
}

/**
 * @param loads time of the full path in frames, for the streams in turn
 * @param limit energy from which on the full branch is to run, for a model whose scores are given
 */
export function toStreamArrays(
  model: tf.LayersModel,
  set: FrameSet,
  { loads = TRAINED_LOADS, limit = 0 }: { loads?: readonly number[]; limit?: number } = {},
): StreamArrays {
  const frames = tf.tensor(set.frames, [set.streams, STREAM_FRAMES + WINDOW_FRAMES - 1, FRAME_FEATURES]);
  const classes = tf.tidy(() => {
    return tf.oneHot(tf.tensor(set.labels, [set.streams, STREAM_FRAMES], 'int32'), CLASSES.length).toFloat();
  });
  if (model.inputs.length === 1) return { xs: [frames], ys: [classes] };
  const load = tf.tensor(
    Array.from({ length: set.streams }, (_, i) => loads[i % loads.length] as number),
    [set.streams, 1],
  );
  const given = set.energies.map((energy) => energy - limit);
  const scores = tf.tensor(given, [set.streams, STREAM_FRAMES, 1]);
  const xs = [frames, load, scores];
  tf.dispose(xs.splice(model.inputs.length));
  return { xs, ys: [classes, tf.zeros([set.streams, STREAM_FRAMES, 2])] };
}

/**
 * @param charge share of the prices that the loss takes, read at each step
 * @returns a loss for each output of a model with two branches: of the frames, and the price of its route
 */
export function createStreamLoss(prices: RoutePrices = PRICES.latency, charge = { share: 1 }) {
  const ofRoute = (_: tf.Tensor, route: tf.Tensor): tf.Tensor =>
    tf.tidy(() => {
      const [full, waiting] = tf.split(route, 2, -1) as [tf.Tensor, tf.Tensor];
      const price = tf.add(tf.mul(full, prices.compute), tf.mul(waiting, prices.waiting));
      return tf.mul(price, charge.share);
    });
  return ['categoricalCrossentropy', ofRoute] as const;
}

/** Makes a task of a model: cross-entropy of the frames, and the price of its route. */
export function createStreamTask(
  model: tf.LayersModel,
  ...priced: Parameters<typeof createStreamLoss>
): Task {
  const loss = createStreamLoss(...priced).slice(0, model.outputs.length);
  model.compile({ optimizer: 'adam', loss: loss as never });
  return createTask(model);
}

/** @returns the layer that mixes the branches; undefined if a model has one */
export function routeLayerOf(model: tf.LayersModel): RouteLayer | undefined {
  return model.layers.find((layer) => layer instanceof RouteLayer);
}

/** Trains a model in place; its choices are hard afterwards. Equal options give equal weights. */
export async function trainStreamModel(
  model: tf.LayersModel,
  arrays: StreamArrays,
  options: StreamTraining,
): Promise<void> {
  const { prices, onStep, ...training } = options;
  const layer = routeLayerOf(model);
  const charge = { share: 0 };
  const task = createStreamTask(model, prices, charge);
  const { weights } = await fineTune({
    ...training,
    task,
    train: arrays,
    batchSize: BATCH_SIZE,
    warmUp: 0.1,
    onStep(report) {
      const done = report.done / report.total;
      if (layer) layer.temperature = temperatureAt(TEMPERATURES, Math.min(1, done / ANNEALED));
      charge.share = Math.max(0, Math.min(1, (done - CHARGED.from) / (CHARGED.to - CHARGED.from)));
      onStep?.(report);
    },
  });
  if (layer) layer.temperature = 0;
  setWeights(model, weights);
}

/** Sets the weights of these names. */
export function setWeights(model: tf.LayersModel, weights: ReadonlyMap<string, Float32Array>): void {
  for (const { name, variable } of namedWeights(model)) {
    const values = weights.get(name);
    if (values !== undefined) tf.tidy(() => variable.assign(tf.tensor(values, variable.shape)));
  }
}
