import * as tf from '@tensorflow/tfjs';
import { trackSquares } from '../tfjs/kernels/diff/gates.js';
import { secondMoments } from '../tfjs/kernels/layers/adam.js';
import { countExamples, type Data } from './data.js';
import { trainParts } from './loop.js';
import { checkMemory } from './memory.js';
import { type DiffPart, readAll, readFloats, type Values, valuesOf } from './part.js';
import { checkSeed } from './random.js';
import { searchPlan } from './search-plan.js';
import {
  type BaseWeights,
  checkData,
  checkGradients,
  measure,
  putWeights,
  selectWeights,
  takeBase,
  type ValueSource,
  variablesOf,
  withBaseRestored,
  withTraining,
} from './session.js';
import { fineTuneTask, type Metrics, type Task } from './task.js';
import type { LoopOptions, TrainingOptions } from './training-options.js';
import { assign } from './training-state.js';

/**
 * Options of `fineTune`. With a validation set, learning rate and epochs are found on it unless one of them,
 * or an optimiser, is given; without one, or with one of them, their defaults are 0.002 and 12. Batches of 32
 * and seed 0 by default.
 */
export interface FineTuneOptions extends TrainingOptions {
  readonly task: Task;
  readonly train: Data;
  readonly validation?: Data | undefined;
}

/** A full fine-tune: the accuracy reference, the teacher of diffs, and the guide to which weights matter. */
export interface FineTuned {
  /** The trained tensors: the base plus the deltas, as new arrays at each read. */
  readonly weights: ReadonlyMap<string, Float32Array>;
  /** The difference between the trained tensors and the base. */
  readonly deltas: ReadonlyMap<string, Float32Array>;
  /** Diagonal of the empirical Fisher information, by tensor. */
  readonly fisher: ReadonlyMap<string, Float32Array>;
  /** On the validation set; empty without one. */
  readonly metrics: Metrics;
  /** Examples of the validation set; 0 without one. */
  readonly validationExamples: number;
  /**
   * Learning rate and epochs, if they were found on the validation set, and whether the last epochs of as
   * many as are tried were still an improvement.
   */
  readonly plan?:
    | { readonly learningRate: number; readonly epochs: number; readonly isImproving: boolean }
    | undefined;
}

/**
 * Trains every trainable weight with the same loop as diffs. The task's variables are restored to the base.
 *
 * @throws NeuralDiffError `training-diverged`, `bad-data`, `no-memory`; TypeError while the model is being
 *   trained; the signal's reason
 *
 * @example
 * await useBackend('wasm');
 * const layer = tf.layers.dense({ inputShape: [4], units: 256, activation: 'softmax' });
 * const model = tf.sequential({ layers: [layer] });
 * model.compile({ optimizer: 'adam', loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
 * const xs = tf.randomNormal([512, 4]);
 * const ys = tf.oneHot(tf.argMax(xs, 1), 256).toFloat();
 * const { metrics } = await fineTune({ task: createTask(model), train: { xs, ys }, validation: { xs, ys } });
 * console.log(metrics.accuracy);
 */
export async function fineTune(options: FineTuneOptions): Promise<FineTuned> {
  const { task, train } = options;
  const loop = fineTuneLoop(options);
  checkData(task, train);
  const trained = selectWeights(task, options);
  checkMemory({ weights: task.weights, trained, perWeight: numbersPerWeight(loop) });
  return withTraining(task, async () => {
    const base = await takeBase(task, options);
    await checkGradients(task, train);
    return fineTuneFrom(base, options, { loop, fisher: true });
  });
}

/** @returns the options of a full fine-tune's loop, checked */
export function fineTuneLoop(options: TrainingOptions): LoopOptions {
  return loopOptions(options, { epochs: 12, learningRate: 2e-3 });
}

/** @returns how many numbers a full fine-tune keeps per weight, at least: gradients, moments of Adam */
export function numbersPerWeight({ optimizer, batchSize, microBatchSize = batchSize }: LoopOptions): number {
  return (microBatchSize < batchSize ? 2 : 1) + (optimizer ? 0 : 2);
}

/**
 * Trains from a base that the task's variables hold.
 *
 * @param setting `fisher`: whether to return the Fisher information, which is as large as the weights
 */
export async function fineTuneFrom(
  base: BaseWeights,
  options: FineTuneOptions,
  { loop, fisher }: { loop: LoopOptions; fisher: boolean },
): Promise<FineTuned> {
  const { task, validation } = options;
  const run = (each: LoopOptions, from?: TrainedFreely) =>
    withBaseRestored(task, base, async () => {
      if (from) putWeights(variablesOf(task, base.trainable), sumValues(base.trainable, from.deltas));
      const { train } = options;
      const trained = await trainFreely({ task, train, base, fisher }, each);
      const weights = { base, trained: sumValues(base.trainable, trained.deltas) };
      return { ...trained, metrics: validation ? await measure(task, weights, validation) : {} };
    });
  const validationExamples = validation ? await countExamples(validation, task) : 0;
  const { best, plan } = isSearched(options)
    ? await search(run, { loop, validationExamples })
    : { best: await run(loop), plan: undefined };
  const found = fineTuned({ ...best, validationExamples, plan }, sumValues(base.trainable, best.deltas));
  BASES.set(found, base.trainable);
  return found;
}

function isSearched({ validation, epochs, learningRate, optimizer }: FineTuneOptions): boolean {
  return validation !== undefined && [epochs, learningRate, optimizer].every((each) => each === undefined);
}

/** Numbers epochs and steps of all runs in order. */
function search(
  run: (loop: LoopOptions, from?: TrainedFreely) => Promise<TrainedFreely & Pick<FineTuned, 'metrics'>>,
  { loop, validationExamples }: { loop: LoopOptions; validationExamples: number },
): ReturnType<typeof searchPlan<TrainedFreely & Pick<FineTuned, 'metrics'>>> {
  let [runs, epochs, steps] = [0, 0, 0];
  return searchPlan(validationExamples, async (plan, from) => {
    const [epochsBefore, stepsBefore] = [epochs, steps];
    const onStep: LoopOptions['onStep'] = (report) => {
      steps = stepsBefore + report.done;
      const total = stepsBefore + report.total;
      loop.onStep?.({ ...report, done: steps, total, epoch: epochsBefore + report.epoch, epochs });
    };
    const onEpoch: LoopOptions['onEpoch'] = (report) =>
      loop.onEpoch?.({ ...report, epoch: epochsBefore + report.epoch, epochs });
    epochs += plan.epochs;
    const seed = (loop.seed + runs++) >>> 0;
    return run({ ...loop, ...plan, seed, onStep, onEpoch }, from);
  });
}

/**
 * Takes weights that were trained before as a full fine-tune: measures them and, where it is wanted,
 * estimates their Fisher information with a pass over the training set.
 *
 * @param weights values of the trained tensors
 * @throws as `fineTune`
 */
export async function takeFineTune(
  options: FineTuneOptions,
  weights: ValueSource,
  { fisher: isWanted }: { fisher: boolean },
): Promise<FineTuned> {
  const { task, train, validation } = options;
  checkData(task, train);
  return withTraining(task, async () => {
    const base = await takeBase(task, options);
    const names = [...base.trainable.keys()];
    const trained = new Map(names.map((name) => [name, valuesOf(weights, name)]));
    const fisher = isWanted
      ? await fisherOf({ task, train, base }, trained, fineTuneLoop(options))
      : new Map();
    const metrics = await withBaseRestored(task, base, async () =>
      validation ? measure(task, { base, trained }, validation) : {},
    );
    const validationExamples = validation ? await countExamples(validation, task) : 0;
    const deltas = new Map(names.map((name) => [name, valuesOf(trained, name).slice()]));
    for (const [name, values] of deltas) subtract(values, valuesOf(base.trainable, name));
    return { weights: trained, deltas, fisher, metrics, validationExamples };
  });
}

/** @returns running means of the squared gradients of some weights, in an epoch in which these stay */
async function fisherOf(
  { task, train: data, base }: { task: Task; train: Data; base: BaseWeights },
  weights: Values,
  loop: LoopOptions,
): Promise<Values> {
  const variables = variablesOf(task, weights);
  const optimizer = tf.train.sgd(0);
  const part = createFreePart(variables, { tracksSquares: true });
  try {
    return await withBaseRestored(task, base, async () => {
      putWeights(variables, weights);
      const job = { ...jobOf(task, data, part), optimizer };
      await trainParts(job, { ...loop, epochs: 1, learningRate: 0 });
      return readAll(new Map([...variables.keys()].map((name, i) => [name, part.squares[i] as tf.Variable])));
    });
  } finally {
    optimizer.dispose();
    part.dispose();
  }
}

/** @returns what the loop of a full fine-tune trains, but for its optimiser */
function jobOf(task: Task, data: Data, part: FreePart) {
  return { phase: 'fine-tune' as const, task: fineTuneTask(task), data, base: new Map(), parts: [part] };
}

/** The weights that full fine-tunes started from, so that a diff of one need not keep them twice. */
const BASES = new WeakMap<FineTuned, Values>();

/** @returns the weights that a full fine-tune started from, if it was trained in this process */
export function baseOf(full: FineTuned | undefined): Values | undefined {
  return full && BASES.get(full);
}

/** A function of its own, as its getter would keep all that is in scope: the whole base. */
function fineTuned(found: Omit<FineTuned, 'weights'>, trained: ValueSource): FineTuned {
  return {
    ...found,
    get weights() {
      return new Map(Array.from(found.deltas.keys(), (name) => [name, valuesOf(trained, name)]));
    },
  };
}

/** @returns the loop's options with defaults filled in and numbers checked */
export function loopOptions(
  options: TrainingOptions,
  defaults: Pick<LoopOptions, 'epochs' | 'learningRate'>,
): LoopOptions {
  const {
    epochs = defaults.epochs,
    batchSize = 32,
    microBatchSize,
    learningRate = defaults.learningRate,
    seed = 0,
  } = options;
  if (!Number.isInteger(epochs) || epochs < 1)
    throw new RangeError(`Cannot train: expected a whole number of epochs of at least 1, got ${epochs}`);
  if (!Number.isInteger(batchSize) || batchSize < 1)
    throw new RangeError(`Cannot train: expected a whole batch size of at least 1, got ${batchSize}`);
  if (microBatchSize !== undefined && !(Number.isInteger(microBatchSize) && microBatchSize >= 1))
    throw new RangeError(`Cannot train: expected micro-batches of at least 1 example, got ${microBatchSize}`);
  if (typeof learningRate === 'number' && !(learningRate > 0))
    throw new RangeError(`Cannot train: expected a positive learning rate, got ${learningRate}`);
  const { optimizer, signal, onStep, onEpoch, checkpoints } = options;
  const shared = { microBatchSize, optimizer, signal, onStep, onEpoch, checkpoints };
  return { epochs, batchSize, learningRate, seed: checkSeed(seed), ...shared };
}

/** @returns sums of two sets of values, computed one tensor at a time */
export function sumValues(values: ValueSource, others: ValueSource): ValueSource {
  const sum = (name: string): Float32Array => {
    const total = valuesOf(values, name).slice();
    const other = valuesOf(others, name);
    for (let i = 0; i < total.length; i++) total[i] = (total[i] as number) + (other[i] as number);
    return total;
  };
  return { has: (name) => others.has(name), get: (name) => (others.has(name) ? sum(name) : undefined) };
}

/** What training all weights comes to. */
type TrainedFreely = Pick<FineTuned, 'deltas' | 'fisher'>;

/**
 * Trains the task's own variables. Adam's second moment is the Fisher information; other optimisers need a
 * running mean as well.
 */
async function trainFreely(
  setup: { task: Task; train: Data; base: BaseWeights; fisher: boolean },
  loop: LoopOptions,
): Promise<TrainedFreely> {
  const { task, train: data, base, fisher } = setup;
  const adam = loop.optimizer ? undefined : tf.train.adam(0);
  const variables = variablesOf(task, base.trainable);
  const part = createFreePart(variables, { tracksSquares: fisher && !adam });
  try {
    const job = { ...jobOf(task, data, part), optimizer: adam };
    await trainParts(job, loop);
    const squares = adam ? secondMoments(adam) : part.squares;
    const names = [...variables.keys()];
    return {
      fisher: await readAll(
        fisher ? new Map(names.map((name, i) => [name, squares[i] as tf.Variable])) : new Map(),
      ),
      deltas: await readDeltas(variables, base.trainable),
    };
  } finally {
    adam?.dispose();
    part.dispose();
  }
}

/** @returns the variables' differences to the base */
async function readDeltas(variables: ReadonlyMap<string, tf.Variable>, base: Values): Promise<Values> {
  const values = await readAll(variables);
  for (const [name, deltas] of values) subtract(deltas, valuesOf(base, name));
  return values;
}

function subtract(values: Float32Array, others: Float32Array): void {
  for (let i = 0; i < values.length; i++) values[i] = (values[i] as number) - (others[i] as number);
}

/** Decay of the running mean per step: the default of Adam's second moment. */
const DECAY = 0.999;

/** The part of a full fine-tune: every weight is trained freely. */
export interface FreePart extends DiffPart {
  /**
   * Running means of the squared gradients in the order of the variables: the diagonal of the empirical
   * Fisher information; empty unless they are tracked.
   *
   * Source: D. P. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", 2015, section 5.
   */
  readonly squares: readonly tf.Variable[];
}

/** Creates a part whose θ are the task's variables themselves. */
export function createFreePart(
  variables: ReadonlyMap<string, tf.Variable>,
  { tracksSquares }: { tracksSquares: boolean },
): FreePart {
  const parameters = [...variables.values()];
  const zeros = ({ shape }: tf.Variable): tf.Variable => tf.tidy(() => tf.variable(tf.zeros(shape)));
  const squares = tracksSquares ? parameters.map(zeros) : [];
  return {
    tensors: [...variables.keys()],
    parameters,
    squares,
    advance() {},
    read() {},
    materialise: () => new Map(),
    pullBack(gradients) {
      return Array.from(variables.keys(), (name, i) => {
        const gradient = valuesOf(gradients, name);
        const mean = squares[i];
        if (mean) trackSquares(mean, gradient, DECAY);
        return gradient;
      });
    },
    ops: () => [],
    save: () => Promise.all(squares.map(readFloats)),
    restore(saved: readonly Float32Array[]) {
      for (const [i, values] of saved.entries()) assign(squares[i] as tf.Variable, values);
    },
    describe: () => ({}),
    dispose: () => tf.dispose([...squares]),
  };
}
