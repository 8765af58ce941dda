import type { Budget } from '../payload/encode.js';
import type { FineTuned } from '../train/fine-tune.js';
import type { Checkpoints, StepReport, TrainingOptions } from '../train/training-options.js';
import type { DiffKind, RecipeOptions } from './options.js';

/** A diff to train, as plain data that can be sent to a worker thread. */
export interface TrainingJob {
  /** Folder of a LayersModel or GraphModel, or the `model.json` in one; ONNX file, or a folder with one. */
  readonly base: string;
  /** Paths of payloads that devices have applied to it, in order; the diff is trained for the result. */
  readonly chain?: readonly string[] | undefined;
  readonly kind: DiffKind;
  /** Path of the recipe module. */
  readonly recipe: string;
  /** Path of the full fine-tune, a model like the base; trained first by default. */
  readonly full?: string | undefined;
  /** Largest size of the payload file. */
  readonly budget: Budget;
  /** 0 to 2^32 - 1; defaults to a seed derived from the base (`seedFor`). */
  readonly seed?: number;
  /** TensorFlow.js backend; default `wasm`. */
  readonly backend?: 'wasm' | 'cpu';
  /** These override the recipe's options. */
  readonly options?: RecipeOptions | undefined;
}

/** A full fine-tune to train: a job without a diff. */
export type FineTuneJob = Omit<TrainingJob, 'kind' | 'budget'>;

/** How to cancel and follow a job, and what has been trained already. */
export interface JobContext {
  readonly signal: AbortSignal;
  readonly onStep?: (report: StepReport) => void;
  readonly onEpoch?: TrainingOptions['onEpoch'];
  /** Whether to measure the diff on validation data after each epoch. */
  readonly measureEpochs?: boolean;
  /** The job's full fine-tune; trained first by default. */
  readonly fullFineTune?: FineTuned | undefined;
  /** Where the job's runs keep their state after every epoch; a job that was stopped goes on from there. */
  readonly checkpoints?: Checkpoints | undefined;
}

/**
 * Computes a key for the full fine-tune of a job: jobs with the same key share it.
 *
 * @returns everything the full fine-tune depends on, as text
 */
export function fineTuneKey(job: FineTuneJob): string {
  const { base, chain = [], full, recipe, seed, backend = 'wasm', options = {} } = job;
  const { batchSize, microBatchSize, mode, outputs, outputKind, only, freeze, fineTune } = options;
  return JSON.stringify([
    base,
    chain,
    full,
    recipe,
    seed,
    backend,
    batchSize,
    microBatchSize,
    fineTune?.mode ?? mode,
    outputs,
    outputKind,
    only,
    freeze,
    fineTune?.epochs,
    fineTune?.learningRate,
  ]);
}
