import * as tf from '@tensorflow/tfjs';
import { NeuralDiffError } from '../model/errors.js';
import type { Progress } from '../model/progress.js';
import { type Batch, borrowBatches, countBatches, type Data } from './data.js';
import { type DistillationOptions, distillationLoss, type Teacher } from './distillation.js';
import type { Grid } from './grid.js';
import { type DiffPart, type LiveValues, readFloats, type Values, valuesOf } from './part.js';
import type { Selection } from './selection.js';
import { variablesOf } from './session.js';
import type { Task } from './task.js';

/** Progress after a step, over all epochs; `fine-tune` trains the reference and teacher, `diff` the diff. */
export interface StepReport extends Progress<'fine-tune' | 'diff'> {
  /** Counted from 0. */
  readonly epoch: number;
  readonly epochs: number;
  readonly loss: number;
  /** State reported by the parts: density, temperature, buckets. */
  readonly state: Readonly<Record<string, number>>;
}

/** Options of a training run, each with a default. */
export interface TrainingOptions extends Selection {
  readonly epochs?: number | undefined;
  /** Examples per step. */
  readonly batchSize?: number | undefined;
  /** Peak learning rate, or a function of the number of steps; the rate falls to zero along half a cosine. */
  readonly learningRate?: number | ((steps: number) => number) | undefined;
  /** Share of the steps in which the learning rate rises linearly from 0: 0 to below 1; none by default. */
  readonly warmUp?: number | undefined;
  /** Creates the optimiser of θ; Adam by default. */
  readonly optimizer?: ((learningRate: number) => tf.Optimizer) | undefined;
  readonly seed?: number | undefined;
  /** Stops between two steps with the signal's reason; the task's variables are restored. */
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: ((report: StepReport) => void) | undefined;
  /** Called after an epoch, counted from 0, with the mean loss of its steps. */
  readonly onEpoch?:
    | ((report: {
        readonly phase: 'fine-tune' | 'diff';
        readonly epoch: number;
        readonly epochs: number;
        readonly loss: number;
      }) => void | Promise<void>)
    | undefined;
}

/** The same with defaults filled in. */
export interface LoopOptions extends TrainingOptions {
  readonly epochs: number;
  readonly batchSize: number;
  readonly learningRate: number | ((steps: number) => number);
  readonly seed: number;
}

/** One training run. */
export interface LoopJob {
  readonly phase: StepReport['phase'];
  readonly task: Task;
  readonly data: Data;
  /** Frozen values of the tensors that the parts change, in the units of the grid. */
  readonly base: Values;
  readonly parts: readonly DiffPart[];
  /** Rounds to what the device stores after every part; undefined if it stores float32. */
  readonly grid?: Grid | undefined;
  readonly teacher?: Teacher | undefined;
  readonly distillation?: DistillationOptions | undefined;
}

/**
 * Trains the parts' θ. For every batch: materialise the weights, run the model, pull the gradients back,
 * step. Afterwards the task's variables hold the last step's weights, not the final ones; the caller must
 * restore or set them.
 *
 * @throws NeuralDiffError `training-diverged` if the loss is not a finite number, `bad-data`; the signal's
 *   reason
 */
export async function trainParts(job: LoopJob, options: LoopOptions): Promise<void> {
  const stepsPerEpoch = await countBatches(job.data, job.task, options.batchSize);
  const session = new TrainingSession(job, options, stepsPerEpoch);
  try {
    for (let epoch = 0; epoch < options.epochs; epoch++) await session.runEpoch(epoch);
  } finally {
    session.dispose();
  }
}

/**
 * Steps between yields to the event loop: few enough to stay responsive, enough not to slow small models
 * down.
 */
const STEPS_PER_YIELD = 4;

class TrainingSession {
  readonly #job: LoopJob;
  readonly #options: LoopOptions;
  readonly #optimizer: tf.Optimizer;
  readonly #base: LiveValues;
  readonly #variables: Map<string, tf.Variable>;
  readonly #stepsPerEpoch: number;
  readonly #peakRate: number;
  #step = 0;

  constructor(job: LoopJob, options: LoopOptions, stepsPerEpoch: number) {
    this.#job = job;
    this.#options = options;
    const { learningRate: rate, optimizer } = options;
    this.#peakRate = typeof rate === 'number' ? rate : rate(stepsPerEpoch * options.epochs);
    this.#optimizer = optimizer?.(this.#peakRate) ?? tf.train.adam(this.#peakRate);
    this.#variables = variablesOf(job.task, job.base);
    this.#base = uploadValues(job.base, this.#variables);
    this.#stepsPerEpoch = stepsPerEpoch;
  }

  dispose(): void {
    tf.dispose([...this.#base.values()]);
    this.#optimizer.dispose();
  }

  async runEpoch(epoch: number): Promise<void> {
    const { epochs, batchSize, seed, onEpoch } = this.#options;
    const { phase, data, task } = this.#job;
    let sum = 0;
    let count = 0;
    for await (const batch of borrowBatches(data, task, { batchSize, seed, epoch })) {
      this.#options.signal?.throwIfAborted();
      const loss = this.#runStep(batch, epoch, count);
      sum += loss;
      count++;
      if (this.#step % STEPS_PER_YIELD === 0) await tf.nextFrame();
    }
    this.#checkParameters();
    await onEpoch?.({ phase, epoch, epochs, loss: sum / count });
  }

  #runStep(batch: Batch, epoch: number, stepInEpoch: number): number {
    const { epochs, onStep } = this.#options;
    const done = Math.min((epoch + stepInEpoch / this.#stepsPerEpoch) / epochs, 1);
    setLearningRate(this.#optimizer, this.#learningRateAt(done));
    for (const part of this.#job.parts) part.advance({ done });
    tf.tidy(() => {
      const { parts, grid } = this.#job;
      for (const [name, stored] of materialise(this.#base, parts, grid)) {
        valuesOf(this.#variables, name).assign(grid ? grid.weights(name, stored) : stored);
      }
    });
    const loss = this.#stepParameters(batch);
    if (!Number.isFinite(loss)) {
      throw diverged(`the loss is ${loss} in epoch ${epoch + 1}`);
    }
    this.#step++;
    const steps = this.#stepsPerEpoch * epochs;
    onStep?.({
      phase: this.#job.phase,
      epoch,
      epochs,
      done: this.#step,
      total: steps,
      loss,
      state: this.#describe(),
    });
    return loss;
  }

  /**
   * Source of the warm-up: P. Goyal et al., "Accurate, Large Minibatch SGD", 2017; of the cosine: I.
   * Loshchilov, F. Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017.
   */
  #learningRateAt(done: number): number {
    const { epochs, warmUp = 0 } = this.#options;
    const reached = done + 1 / (epochs * this.#stepsPerEpoch);
    const warmth = reached < warmUp ? reached / warmUp : 1;
    return warmth * this.#peakRate * 0.5 * (1 + Math.cos(Math.PI * done));
  }

  /** @returns the loss before the step */
  #stepParameters(batch: Batch): number {
    const variables = [...this.#variables.values()];
    return tf.tidy(() => {
      // Outside of `variableGrads`, as the teacher is the same model and its outputs must not be
      // differentiated.
      const targets = this.#job.teacher?.outputs(batch);
      const { value, grads } = tf.variableGrads(() => totalLoss(this.#job, batch, targets), variables);
      const gradientBy = (name: string, variable: tf.Variable): tf.Tensor => {
        const gradient = grads[variable.name] ?? tf.zerosLike(variable);
        return this.#job.grid ? this.#job.grid.pullBack(name, gradient) : gradient;
      };
      const gradients = new Map([...this.#variables].map(([name, each]) => [name, gradientBy(name, each)]));
      const named = this.#job.parts.flatMap((part) => {
        const pulled = part.pullBack(gradients);
        return part.parameters.map(({ name }, i) => ({ name, tensor: pulled[i] as tf.Tensor }));
      });
      this.#optimizer.applyGradients(named);
      return value.dataSync()[0] as number;
    });
  }

  /**
   * Detects a parameter that is not finite after the last step; earlier ones show in the loss of the next
   * step.
   */
  #checkParameters(): void {
    const parameters = this.#job.parts.flatMap((part) => part.parameters);
    if (parameters.every((variable) => variable.dataSync().every(Number.isFinite))) return;
    throw diverged('a parameter is not a finite number');
  }

  #describe(): Record<string, number> {
    return Object.assign({}, ...this.#job.parts.map((part) => part.describe()));
  }
}

function diverged(what: string): NeuralDiffError {
  return new NeuralDiffError(
    'training-diverged',
    `Cannot continue training: ${what}; try a lower learning rate`,
  );
}

function totalLoss(job: LoopJob, batch: Batch, targets: tf.Tensor[] | undefined): tf.Scalar {
  const outputs = job.task.outputs(batch.xs);
  const loss = job.task.loss(outputs, batch);
  if (targets === undefined) return loss;
  const { weight = 0.7, temperature = 2 } = job.distillation ?? {};
  const parts = outputs.map((output, i) =>
    distillationLoss(output, targets[i] as tf.Tensor, {
      kind: job.task.outputKinds[i] ?? 'values',
      temperature,
    }),
  );
  return tf.add(tf.mul(loss, 1 - weight), tf.mul(tf.addN(parts), weight));
}

/** @returns the weights plus every part's diff, as the device stores them, as new tensors */
function materialise(base: LiveValues, parts: readonly DiffPart[], grid?: Grid): LiveValues {
  const weights = new Map(base);
  for (const part of parts) {
    for (const [name, weight] of part.materialise(weights))
      weights.set(name, grid ? grid.round(name, weight) : weight);
  }
  return weights;
}

/** @returns base plus every part's diff, as new arrays */
export function materialiseValues(base: Values, parts: readonly DiffPart[]): Values {
  const values = new Map<string, Float32Array>();
  tf.tidy(() => {
    const live = new Map([...base].map(([name, array]) => [name, tf.tensor1d(array.slice())]));
    for (const [name, weight] of materialise(live, parts)) values.set(name, readFloats(weight));
  });
  return values;
}

function uploadValues(base: Values, variables: ReadonlyMap<string, tf.Variable>): LiveValues {
  return new Map(
    [...base].map(([name, values]) => [name, tf.tensor(values.slice(), valuesOf(variables, name).shape)]),
  );
}

/** TensorFlow.js optimisers read `learningRate` at every step; only some have a setter for it. */
function setLearningRate(optimizer: tf.Optimizer, learningRate: number): void {
  const settable = optimizer as unknown as {
    learningRate: number;
    setLearningRate?: (value: number) => void;
  };
  if (settable.setLearningRate) settable.setLearningRate(learningRate);
  else settable.learningRate = learningRate;
}
