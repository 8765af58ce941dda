import * as tf from '@tensorflow/tfjs';
import { NeuralDiffError } from '../model/errors.js';
import { createTensor } from '../tfjs/weights.js';
import {
  type Batch,
  borrowBatches,
  borrowInOrder,
  checkFinite,
  countBatches,
  type Data,
  isFiniteTensor,
} from './data.js';
import { type LossJob, lossGradients } from './gradients.js';
import type { Grid } from './grid.js';
import { explainingMemory } from './memory.js';
import { type DiffPart, type LiveValues, readFloatsSync, type Values, valuesOf } from './part.js';
import { variablesOf } from './session.js';
import type { Metrics } from './task.js';
import type { Checkpoints, LoopOptions, StepReport } from './training-options.js';
import {
  canSave,
  type EpochReport,
  type RunState,
  restoreOptimizer,
  restoreParts,
  saveOptimizer,
  saveParts,
} from './training-state.js';

/** One training run. */
export interface LoopJob extends LossJob {
  readonly phase: StepReport['phase'];
  readonly data: Data;
  /** Frozen values that parts add to, in the units of the grid. */
  readonly base: Values;
  readonly parts: readonly DiffPart[];
  /** Belongs to the caller; by default one of the options' for this run. */
  readonly optimizer?: tf.Optimizer | undefined;
  /** Whether to stop in the first half, given the mean losses of the epochs so far, at least one. */
  readonly stopsIf?: ((losses: readonly number[]) => boolean) | undefined;
  /** Measures the model after each epoch; the task's variables hold the weights of its last step. */
  readonly measure?: (() => Promise<Metrics>) | undefined;
}

/**
 * Trains the parts' θ. For every batch: materialise the weights, run the model, pull the gradients back,
 * step. Before, the task's variables hold the base; afterwards the last step's weights, not the final ones,
 * except those of tensors that train freely. The caller must restore or set them.
 *
 * @returns whether it has not been stopped by `stopsIf`
 * @throws NeuralDiffError if the loss is not a finite number: `bad-data` for such inputs or labels, else
 *   `training-diverged`; `no-memory`; the signal's reason
 */
export async function trainParts(job: LoopJob, options: LoopOptions): Promise<boolean> {
  const stepsPerEpoch = await countBatches(job.data, job.task, options.batchSize);
  const session = new TrainingSession(job, options, stepsPerEpoch);
  try {
    const examples = Math.min(options.batchSize, options.microBatchSize ?? options.batchSize);
    const attempt = {
      name: `train on ${examples} examples at a time`,
      instead: 'set a smaller "microBatchSize", or train fewer weights ("only", "freeze")',
    };
    return await explainingMemory(attempt, async () => {
      for (let epoch = await session.resume(); ; epoch++) {
        const isEarly = epoch > 0 && 2 * (epoch - 1) < options.epochs;
        if (isEarly && job.stopsIf?.(session.losses)) return false;
        if (epoch === options.epochs) return true;
        await session.runEpoch(epoch);
      }
    });
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
  readonly #reports: EpochReport[] = [];
  readonly #checkpoint: ReturnType<Checkpoints['next']> | undefined;

  constructor(job: LoopJob, options: LoopOptions, stepsPerEpoch: number) {
    this.#job = job;
    this.#options = options;
    const { learningRate: rate, optimizer } = options;
    this.#peakRate = typeof rate === 'number' ? rate : rate(stepsPerEpoch * options.epochs);
    this.#optimizer = job.optimizer ?? optimizer?.(this.#peakRate) ?? tf.train.adam(this.#peakRate);
    this.#variables = variablesOf(job.task, new Set(job.parts.flatMap(({ tensors }) => tensors)));
    this.#base = uploadValues(job.base, this.#variables);
    this.#stepsPerEpoch = stepsPerEpoch;
    // Runs are numbered even if this one's optimiser cannot be saved.
    const checkpoint = options.checkpoints?.next();
    if (canSave(this.#optimizer)) this.#checkpoint = checkpoint;
  }

  dispose(): void {
    tf.dispose([...this.#base.values()]);
    if (!this.#job.optimizer) this.#optimizer.dispose();
  }

  /** Mean losses of the epochs that have ended. */
  get losses(): readonly number[] {
    return this.#reports.map(({ loss }) => loss);
  }

  /**
   * Takes the state of the checkpoint, if there is one of this run.
   *
   * @returns the epochs that have ended
   */
  async resume(): Promise<number> {
    const state = (await this.#checkpoint?.read()) as RunState | undefined;
    if (state === undefined || state.run !== this.#identity) return 0;
    const { phase, parts } = this.#job;
    restoreParts(parts, state.parts);
    restoreOptimizer(this.#optimizer, state.optimizer);
    this.#step = state.step;
    for (const report of state.reports) {
      this.#reports.push(report);
      await this.#options.onEpoch?.(report);
    }
    const { epoch, epochs, loss, state: described } = this.#reports[this.#reports.length - 1] as EpochReport;
    const total = this.#stepsPerEpoch * epochs;
    this.#options.onStep?.({ phase, epoch, epochs, done: this.#step, total, loss, state: described });
    return this.#reports.length;
  }

  /** What the run is: a state of other epochs, rates, seeds or parameters is not of this one. */
  get #identity(): string {
    const { phase, parts } = this.#job;
    const { epochs, batchSize, microBatchSize, seed } = this.#options;
    const shapes = parts.map(({ tensors, parameters }) => [tensors, parameters.map(({ shape }) => shape)]);
    const loop = [epochs, batchSize, microBatchSize, seed, this.#stepsPerEpoch, this.#peakRate];
    return JSON.stringify([phase, loop, shapes]);
  }

  async #keep(): Promise<void> {
    if (this.#checkpoint === undefined) return;
    const state: RunState = {
      run: this.#identity,
      step: this.#step,
      reports: this.#reports,
      parts: await saveParts(this.#job.parts),
      optimizer: await saveOptimizer(this.#optimizer),
    };
    await this.#checkpoint.write(state);
  }

  async runEpoch(epoch: number): Promise<void> {
    const { epochs, batchSize, seed, onEpoch } = this.#options;
    const { phase, data, task } = this.#job;
    let sum = 0;
    let count = 0;
    for await (const batch of borrowBatches(data, task, { batchSize, seed, epoch })) {
      this.#options.signal?.throwIfAborted();
      const loss = await this.#runStep(batch, epoch, count);
      sum += loss;
      count++;
      if (this.#step % STEPS_PER_YIELD === 0) await tf.nextFrame();
    }
    await this.#checkParameters();
    const metrics = await this.#job.measure?.();
    const state = this.#describe();
    const report = { phase, epoch, epochs, loss: sum / count, state, ...(metrics && { metrics }) };
    this.#reports.push(report);
    await onEpoch?.(report);
    await this.#keep();
  }

  async #runStep(batch: Batch, epoch: number, stepInEpoch: number): Promise<number> {
    const { epochs, onStep } = this.#options;
    const done = Math.min((epoch + stepInEpoch / this.#stepsPerEpoch) / epochs, 1);
    setLearningRate(this.#optimizer, this.#learningRateAt(done));
    await Promise.all(this.#job.parts.map((part) => part.advance({ done })));
    tf.tidy(() => {
      const { parts, grid } = this.#job;
      for (const [name, stored] of materialise(this.#base, parts, grid)) {
        valuesOf(this.#variables, name).assign(grid ? grid.weights(name, stored) : stored);
      }
    });
    const loss = await this.#stepParameters(batch);
    if (!Number.isFinite(loss)) throw await this.#diverged(`the loss is ${loss} in epoch ${epoch + 1}`);
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
  async #stepParameters(batch: Batch): Promise<number> {
    const job = this.#job;
    const variables = this.#variables;
    const { microBatchSize } = this.#options;
    const value = tf.tidy(() => {
      const { loss, gradients } = lossGradients(job, batch, { variables, microBatchSize });
      const named = job.parts.flatMap((part) => {
        const pulled = part.pullBack(gradients);
        return part.parameters.map(({ name }, i) => ({ name, tensor: pulled[i] as tf.Tensor }));
      });
      this.#optimizer.applyGradients(named);
      return loss;
    });
    return readNumber(value);
  }

  /**
   * Detects a parameter that is not finite after the last step; earlier ones show in the loss of the next
   * step.
   */
  async #checkParameters(): Promise<void> {
    for (const parameter of this.#job.parts.flatMap((part) => part.parameters)) {
      if (!(await isFiniteTensor(parameter)))
        throw await this.#diverged('a parameter is not a finite number');
    }
  }

  /** @throws NeuralDiffError `bad-data` if the data is why */
  async #diverged(what: string): Promise<NeuralDiffError> {
    const { data, task } = this.#job;
    for await (const batch of borrowInOrder(data, task, this.#options.batchSize))
      await checkFinite(batch, task);
    const message = `Cannot continue training: ${what}; try a lower learning rate`;
    return new NeuralDiffError('training-diverged', message);
  }

  #describe(): Record<string, number> {
    return Object.assign({}, ...this.#job.parts.map((part) => part.describe()));
  }
}

/** @returns the value of a scalar, which is disposed of */
async function readNumber(scalar: tf.Tensor): Promise<number> {
  const [value] = await scalar.data();
  scalar.dispose();
  return value as number;
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
    const live = new Map([...base].map(([name, array]) => [name, createTensor(array, [array.length])]));
    for (const [name, weight] of materialise(live, parts)) values.set(name, readFloatsSync(weight));
  });
  return values;
}

function uploadValues(base: Values, variables: ReadonlyMap<string, tf.Variable>): LiveValues {
  const changed = [...base].filter(([name]) => variables.has(name));
  return new Map(
    changed.map(([name, values]) => [name, createTensor(values, valuesOf(variables, name).shape)]),
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
