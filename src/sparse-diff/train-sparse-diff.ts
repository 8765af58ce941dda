import { totalElements } from '../model/tensor.js';
import type { Temperatures } from '../train/annealed-choice.js';
import { checkChoice } from '../train/check.js';
import { changeSizes, densePartOf } from '../train/dense-part.js';
import { divideEmbeddings } from '../train/embeddings.js';
import { pickValues, type TensorPartition } from '../train/layout.js';
import { type DiffPart, type Values, valuesOf } from '../train/part.js';
import { rootMeanSquare, scalesFor } from '../train/quantise.js';
import { scalesOf } from '../train/session.js';
import {
  type DiffSize,
  type PartContext,
  type TrainDiffOptions,
  type TrainedDiff,
  trainDiff,
} from '../train/train-diff.js';
import { createAnnealedPart } from './annealed-part.js';
import { densityOf, gather, type Positions } from './mask.js';
import { createRewoundPart } from './rewound-part.js';
import { affordablePositions, fineTuneSaliency, type Saliency, type Scope } from './saliency.js';

/** Options of `trainSparseDiff`, in addition to those of both trainers. */
export interface TrainSparseDiffOptions extends TrainDiffOptions {
  /**
   * `rewind` (default): the mask is taken from the full fine-tune, then the diff is trained on it from zero.
   * `anneal`: the mask is found while the diff trains, with gates that harden.
   */
  readonly selection?: 'rewind' | 'anneal';
  /** Default `fisher`. */
  readonly saliency?: Saliency;
  /** Default `global`. */
  readonly scope?: Scope;
  /** Bits per changed weight: 1 to 8; default 3. */
  readonly bits?: number;
  /**
   * For `anneal`: temperature of the gates at the start (default 1) and when the mask is fixed (default
   * 0.05).
   */
  readonly temperatures?: Temperatures | undefined;
  /** For `anneal`: share of the steps after which the mask is fixed; default 0.6. */
  readonly fixedFrom?: number;
}

type Settings = Required<
  Pick<TrainSparseDiffOptions, 'selection' | 'saliency' | 'scope' | 'bits' | 'fixedFrom'>
> & {
  temperatures: Temperatures;
};

/**
 * Trains a sparse diff: as many of the most salient weights of the matrices change as fit the budget; biases
 * and norms get a dense op.
 *
 * @throws NeuralDiffError `budget-impossible`, `training-diverged`, `bad-data`, `no-memory`; the signal's
 *   reason
 *
 * @example
 * await useBackend('wasm');
 * const layer = tf.layers.dense({ inputShape: [4], units: 256, activation: 'softmax' });
 * const model = tf.sequential({ layers: [layer] });
 * model.compile({ optimizer: 'adam', loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
 * const xs = tf.randomNormal([512, 4]);
 * const ys = tf.oneHot(tf.argMax(xs, 1), 256).toFloat();
 * const options = { task: createTask(model), train: { xs, ys }, validation: { xs, ys }, seed: 1 };
 * const { payload, metrics } = await trainSparseDiff({ ...options, budget: '500' });
 * console.log(payload.length, metrics.diff.accuracy);
 */
export function trainSparseDiff(options: TrainSparseDiffOptions): Promise<TrainedDiff> {
  const settings: Settings = {
    selection: options.selection ?? 'rewind',
    saliency: options.saliency ?? 'fisher',
    scope: options.scope ?? 'global',
    bits: options.bits ?? 3,
    fixedFrom: options.fixedFrom ?? 0.6,
    temperatures: options.temperatures ?? { first: 1, last: 0.05 },
  };
  checkSettings(settings);
  const createParts = (context: PartContext) => createSparseParts(context, settings);
  const perWeight = settings.selection === 'anneal' ? ANNEALED_NUMBERS : 0;
  const numbersOf = ({ weights }: DiffSize): number => perWeight * weights;
  const restarts = settings.selection === 'rewind';
  return trainDiff(options, { createParts, fisher: true, restarts, numbersOf });
}

/** Changes, gates, Fisher information, two moments, gradients of the changes. */
const ANNEALED_NUMBERS = 6;

function checkSettings(settings: Settings): void {
  checkChoice('selection', settings.selection, ['rewind', 'anneal']);
  checkChoice('saliency', settings.saliency, ['fisher', 'magnitude']);
  checkChoice('scope', settings.scope, ['global', 'tensor']);
  const { bits, fixedFrom, temperatures } = settings;
  if (!Number.isInteger(bits) || bits < 1 || bits > 8)
    throw new RangeError(`Cannot train sparse diff: expected 1 to 8 bits per weight, got ${bits}`);
  if (!(fixedFrom > 0 && fixedFrom < 1))
    throw new RangeError(`Cannot train sparse diff: expected "fixedFrom" between 0 and 1, got ${fixedFrom}`);
  if (!(temperatures.last > 0 && temperatures.first >= temperatures.last)) {
    throw new RangeError(
      `Cannot train sparse diff: expected temperatures that fall and stay above 0, got ${temperatures.first} to ${temperatures.last}`,
    );
  }
}

function createSparseParts(context: PartContext, settings: Settings): DiffPart[] {
  const { parts, layout, budgetBytes } = divideEmbeddings(context);
  if (layout.matrices.length === 0) return [...parts, densePartOf(context, layout)];
  const weightCount = totalElements(layout.matrices);
  const choose = (saliency: Values) => affordablePositions(saliency, { layout, budgetBytes, ...settings });
  const { full, ownsFull: reuses } = context;
  const guess = choose(fineTuneSaliency(full, layout, { kind: settings.saliency, reuses }));
  const density = densityOf(guess, weightCount);
  const scaleOf = scalesFor(layout.matrices);
  const sparse =
    settings.selection === 'rewind'
      ? createRewoundPart(guess, { ...settings, weightCount, scaleOf, sizes: maskedSizes(context, guess) })
      : annealed({ context, layout, settings, choose, density });
  return [...parts, sparse, densePartOf(context, layout)];
}

/**
 * Root mean square of the full fine-tune's changes at each tensor's positions, in units of its quantisation
 * scale.
 */
function maskedSizes({ full, base }: PartContext, positions: Positions): Map<string, number> {
  const sizeOf = (name: string, places: Uint32Array): number => {
    const scales = scalesOf(base.quantization.get(name));
    const size = rootMeanSquare(gather(valuesOf(full.deltas, name), places)) || 1;
    return (
      size / rootMeanSquare(Float32Array.from(places, (place) => scales[place % scales.length] as number))
    );
  };
  return new Map([...positions].map(([name, places]) => [name, sizeOf(name, places)]));
}

/**
 * Heads for the density that the full fine-tune's mask affords; the final mask is fitted to the budget again.
 */
function annealed(setup: {
  context: PartContext;
  layout: TensorPartition;
  settings: Settings;
  choose: (saliency: Values) => ReturnType<typeof affordablePositions>;
  density: number;
}): DiffPart {
  const { context, layout, settings, choose, density } = setup;
  return createAnnealedPart(pickValues(context.base.trainable, layout.matrices), {
    ...settings,
    density,
    scaleOf: scalesFor(layout.matrices),
    sizes: changeSizes(context.full, layout.matrices, context.base.quantization),
    choose,
  });
}
