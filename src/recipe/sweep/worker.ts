import type { MessagePort } from 'node:worker_threads';
import { describeFailure, type Failure } from '../../model/errors.js';
import type { FineTuned } from '../../train/fine-tune.js';
import type { TrainedDiff } from '../../train/train-diff.js';
import type { Checkpoints, StepReport } from '../../train/training-options.js';
import type { EpochReport } from '../../train/training-state.js';
import { FarmStore, type StoreAddress } from '../farm/store.js';
import type { JobContext, TrainingJob } from '../job.js';
import { fineTuneByRecipe, trainByRecipe } from '../train-by-recipe.js';

/** A trained diff without the patched model. */
export type SweptDiff = Omit<TrainedDiff, 'model'>;

/** Results of a thread, by type of request. */
export interface Products {
  readonly diff: SweptDiff;
  readonly 'fine-tune': FineTuned;
}

/** Store and id for the states of a job. */
export interface CheckpointPlace {
  readonly store: StoreAddress;
  readonly id: string;
}

/** A request to a thread: a job's diff, or the full fine-tune that several jobs share. */
export interface Request<K extends keyof Products = keyof Products> {
  readonly type: K;
  readonly job: TrainingJob;
  /** For a diff: its full fine-tune; trained first by default. */
  readonly fullFineTune?: FineTuned | undefined;
  /** For the states of the job, which goes on from them; by default none are kept. */
  readonly checkpoints?: CheckpointPlace | undefined;
  /** Whether to measure a diff after each epoch; by default it is not. */
  readonly measureEpochs?: boolean;
}

/** What a thread tells while it works. */
export type Report = { readonly step: StepReport } | { readonly epoch: EpochReport };

/** A thread's answer. */
export type Answer<Product = Products[keyof Products]> =
  | { readonly product: Product }
  | { readonly failure: Failure };

/** A request and the port for its reports. */
export interface WorkerTask<R = Request> {
  readonly request: R;
  readonly port: MessagePort;
}

/** Handles one request in a thread; the thread ends afterwards. */
export function work({ request, port }: WorkerTask): Promise<Answer> {
  return answer(port, (context) => make(request, context));
}

/** Runs a request, and answers with its product or its failure. */
export async function answer<Product>(
  port: MessagePort,
  run: (context: Required<Pick<JobContext, 'signal' | 'onStep' | 'onEpoch'>>) => Promise<Product>,
): Promise<Answer<Product>> {
  fenceProcess();
  // An abort ends the whole thread, so nothing in it needs to listen.
  const { signal } = new AbortController();
  try {
    const tell = (report: Report): void => port.postMessage(report);
    const onStep = (step: StepReport): void => tell({ step });
    return { product: await run({ signal, onStep, onEpoch: (epoch) => tell({ epoch }) }) };
  } catch (error) {
    return { failure: describeFailure(error) };
  } finally {
    port.close();
  }
}

async function make(request: Request, given: JobContext): Promise<Products[keyof Products]> {
  const { type, job, fullFineTune, measureEpochs = false, checkpoints } = request;
  const context = { ...given, checkpoints: await openCheckpoints(checkpoints) };
  if (type === 'fine-tune') return fineTuneByRecipe(job, context);
  const { model: _model, ...diff } = await trainByRecipe(job, { ...context, fullFineTune, measureEpochs });
  return diff;
}

/** @returns where the runs of a job keep their states, if they do */
export async function openCheckpoints(place: CheckpointPlace | undefined): Promise<Checkpoints | undefined> {
  return place && (await FarmStore.open(place.store)).checkpointsOf(place.id);
}

/**
 * Keeps a recipe from writing to stdout and from ending the thread, which would leave the pool waiting
 * forever.
 */
function fenceProcess(): void {
  process.stdout.write = process.stderr.write.bind(process.stderr);
  const { exit } = process;
  process.exit = (status) => {
    throw new Error(`Cannot call process.exit(${status ?? ''}) while training`);
  };
  // A crashing thread reports to its pool and then exits by itself.
  process.once('uncaughtExceptionMonitor', () => {
    process.exit = exit;
  });
}
