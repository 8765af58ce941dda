import type { MessagePort } from 'node:worker_threads';
import { describeFailure, type Failure } from '../../model/errors.js';
import type { FineTuned } from '../../train/fine-tune.js';
import type { TrainedDiff } from '../../train/train-diff.js';
import type { JobContext, TrainingJob } from '../job.js';
import { fineTuneByRecipe, trainByRecipe } from '../train-by-recipe.js';

/** A trained diff without the model that it gives. */
export type SweptDiff = Omit<TrainedDiff, 'model'>;

/** What a thread makes, by type of request. */
export interface Products {
  readonly diff: SweptDiff;
  readonly 'fine-tune': FineTuned;
}

/** What a thread is asked for: a job's diff, or the full fine-tune that several jobs share. */
export interface Request<K extends keyof Products = keyof Products> {
  readonly type: K;
  readonly job: TrainingJob;
  /** For a diff: trained first unless given. */
  readonly fullFineTune?: FineTuned | undefined;
}

/** What a thread answers. */
export type Answer = { readonly product: Products[keyof Products] } | { readonly failure: Failure };

/** A request, and where its step reports go. */
export interface WorkerTask {
  readonly request: Request;
  readonly port: MessagePort;
}

/** Does what is asked in a thread of its own; the thread ends afterwards. */
export async function work({ request, port }: WorkerTask): Promise<Answer> {
  fenceProcess();
  // An abort ends the whole thread: nothing in it has to listen.
  const { signal } = new AbortController();
  try {
    return { product: await make(request, { signal, onStep: (report) => port.postMessage(report) }) };
  } catch (error) {
    return { failure: describeFailure(error) };
  } finally {
    port.close();
  }
}

async function make(request: Request, context: JobContext): Promise<Products[keyof Products]> {
  const { type, job, fullFineTune } = request;
  if (type === 'fine-tune') return fineTuneByRecipe(job, context);
  const { model: _model, ...diff } = await trainByRecipe(job, { ...context, fullFineTune });
  return diff;
}

/** The process's output is the caller's, and so is its end: a thread that vanished would leave its pool waiting. */
function fenceProcess(): void {
  process.stdout.write = process.stderr.write.bind(process.stderr);
  const { exit } = process;
  process.exit = (status) => {
    throw new Error(`process.exit(${status ?? ''}) was called while training`);
  };
  // A thread that breaks down tells its pool and then exits by itself.
  process.once('uncaughtExceptionMonitor', () => {
    process.exit = exit;
  });
}
