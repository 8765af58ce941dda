import type { Budget } from '../payload/encode.js';
import type { FineTuned } from '../train/fine-tune.js';
import type { StepReport } from '../train/loop.js';
import type { RecipeOptions } from './options.js';

/** A diff to train, as plain data that can be sent to a thread. */
export interface TrainingJob {
  /** LayersModel folder, or the `model.json` in one. */
  readonly base: string;
  /** Paths of payloads that devices have applied to it, in order: the diff is trained for what they give. */
  readonly chain?: readonly string[] | undefined;
  readonly kind: 'hash' | 'sparse';
  /** Path of the recipe module. */
  readonly recipe: string;
  /** Bytes of the whole payload file that it will not exceed. */
  readonly budget: Budget;
  /** 0 to 2^32 - 1; one of its own for every base unless given (`seedFor`). */
  readonly seed?: number;
  /** TensorFlow.js backend; default `wasm`. */
  readonly backend?: 'wasm' | 'cpu';
  /** Come before the recipe's options. */
  readonly options?: RecipeOptions | undefined;
}

/** A full fine-tune to train: a job that packs no diff. */
export type FineTuneJob = Omit<TrainingJob, 'kind' | 'budget'>;

/** The world of a job: how it is stopped, who is told, what is trained already. */
export interface JobContext {
  readonly signal: AbortSignal;
  readonly onStep?: (report: StepReport) => void;
  /** The job's full fine-tune; trained first unless given. */
  readonly fullFineTune?: FineTuned | undefined;
}

/**
 * Names the full fine-tune of a job: jobs of one name have the same.
 *
 * @returns what its full fine-tune depends on, as text
 */
export function fineTuneKey(job: FineTuneJob): string {
  const { base, chain = [], recipe, seed, backend = 'wasm', options = {} } = job;
  const { batchSize, mode, fineTune } = options;
  return JSON.stringify([
    base,
    chain,
    recipe,
    seed,
    backend,
    batchSize,
    mode,
    fineTune?.epochs,
    fineTune?.learningRate,
  ]);
}
