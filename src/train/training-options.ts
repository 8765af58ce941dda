import type * as tf from '@tensorflow/tfjs';
import type { Progress } from '../model/progress.js';
import type { Selection } from './selection.js';
import type { Metrics } from './task.js';

/** Progress after a step, over all epochs; `fine-tune` trains the reference and teacher, `diff` the diff. */
export interface StepReport extends Progress<'fine-tune' | 'diff'> {
  /** Counted from 0. */
  readonly epoch: number;
  readonly epochs: number;
  readonly loss: number;
  /** State reported by the parts: density, temperature, buckets. */
  readonly state: Readonly<Record<string, number>>;
}

/** Where the runs of a job keep their state, so that a job that was stopped can go on. */
export interface Checkpoints {
  /** @returns the place of the next run; the runs of a job always come in the same order */
  next(): {
    /** @returns what was written last; undefined if there is nothing, or nothing whole */
    read(): Promise<unknown>;
    /**
     * Replaces the state; after a power loss there must be the old one or the new one.
     *
     * @param state plain data with typed arrays, as `structuredClone` takes it; copy what you keep
     */
    write(state: unknown): Promise<void>;
  };
}

/** Options of a training run, each with a default. */
export interface TrainingOptions extends Selection {
  readonly epochs?: number | undefined;
  /** Examples per step. */
  readonly batchSize?: number | undefined;
  /**
   * Most examples of a forward and backward pass: gradients of a batch add up over its micro-batches, to save
   * memory; the whole batch by default.
   */
  readonly microBatchSize?: number | undefined;
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
  /**
   * Called after an epoch, counted from 0, with the mean loss of its steps, the state of the parts, and
   * `metrics` on validation data if they are measured.
   */
  readonly onEpoch?:
    | ((report: {
        readonly phase: 'fine-tune' | 'diff';
        readonly epoch: number;
        readonly epochs: number;
        readonly loss: number;
        readonly state: Readonly<Record<string, number>>;
        readonly metrics?: Metrics;
      }) => void | Promise<void>)
    | undefined;
  /** Where each run keeps its state after every epoch; a run whose state is there goes on from it. */
  readonly checkpoints?: Checkpoints | undefined;
}

/** The same with defaults filled in. */
export interface LoopOptions extends TrainingOptions {
  readonly epochs: number;
  readonly batchSize: number;
  readonly learningRate: number | ((steps: number) => number);
  readonly seed: number;
}
