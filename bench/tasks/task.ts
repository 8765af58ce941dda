import type * as tf from '@tensorflow/tfjs';
import type { Split } from '../../examples/common/staged-examples.js';
import type { TrainingPlan } from '../../examples/common/train-base.js';

export type { Examples } from '../../examples/common/staged-examples.js';
export { sizeOf } from '../../examples/common/staged-examples.js';
export { toArrays } from '../../examples/common/task.js';
export type { BaseTraining, TrainingPlan } from '../../examples/common/train-base.js';
export { trainBase } from '../../examples/common/train-base.js';

/**
 * What one stage trains on, chooses by and is measured on: everything known so far, as plain arrays that may
 * be views on those of later stages. `toArrays` puts them onto the backend of the thread that calls it.
 */
export interface Stage extends Split {
  /** What this stage adds, in words. */
  readonly adds: string;
}

/** How a task is loaded. */
export interface LoadOptions {
  /** Fixes everything that is random. */
  readonly seed: number;
  /** Folder to read instead of the task's own source; tasks without such a choice refuse it. */
  readonly data?: string | undefined;
  /** Fewer and smaller stages, for a short run of the same code. */
  readonly quick?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called now and then with the examples made so far and in all. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** The data of a task, and how its models are made and trained. */
export interface TaskData {
  /** All labels of all stages. */
  readonly labels: readonly string[];
  /** Outputs of the model: as many as there are labels. */
  readonly classes: number;
  /** Stage 0 is the base, then come the updates. */
  readonly stages: readonly Stage[];
  /**
   * @returns an untrained model with class probabilities as outputs, not compiled: `trainBase` compiles it
   */
  readonly createModel: (seed: number) => tf.LayersModel;
  /** How the base model is trained on stage 0, by `trainBase`. */
  readonly baseTraining: TrainingPlan;
  /** How a full fine-tune of update 1 does best on its validation set, of what was tried. */
  readonly fineTuning: TrainingPlan;
  /** Of diffs, and of baselines that train. */
  readonly diffEpochs: number;
}

/** A model, and updates of what it should know, for benches. */
export interface BenchTask {
  /** Stable name: the middle of a goal's id. */
  readonly name: string;
  readonly title: string;
  /**
   * Loads the data; needs no backend.
   *
   * @throws what the source throws; the signal's reason
   */
  load(options: LoadOptions): Promise<TaskData>;
}
