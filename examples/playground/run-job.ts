import type { EpochRow, Job, JobProgress, Message, Results } from './jobs.js';

/** What the page hears of a job. */
export interface JobListener {
  onProgress?(progress: JobProgress): void;
  onEpoch?(epoch: EpochRow): void;
}

/** The program of the worker: a text that the page has, so that it also starts from a file. */
declare const WORKER_PROGRAM: string;

let program: string | undefined;

/** A worker that has done its job. */
let idle: Worker | undefined;

function startWorker(): Worker {
  program ??= URL.createObjectURL(new Blob([WORKER_PROGRAM], { type: 'text/javascript' }));
  return new Worker(program);
}

/**
 * Does a job in a worker, which the next job uses again.
 *
 * @param signal ends the worker at once, which gives all of its memory back
 * @throws Error with the worker's message and `code`; the signal's reason
 */
export async function runJob<T extends Job['type']>(
  job: Extract<Job, { type: T }>,
  signal: AbortSignal,
  { onProgress, onEpoch }: JobListener = {},
): Promise<Results[T]> {
  const worker = idle ?? startWorker();
  idle = undefined;
  let abort = (): void => {};
  const message = await new Promise<Message>((resolve, reject) => {
    const end = (error: unknown): void => {
      worker.terminate();
      reject(error);
    };
    abort = () => end(signal.reason);
    signal.addEventListener('abort', abort);
    worker.onerror = ({ message }) => end(new Error(`The worker has failed: ${message}`));
    worker.onmessage = ({ data }: MessageEvent<Message>) => {
      if (data.type === 'progress') onProgress?.(data.progress);
      else if (data.type === 'epoch') onEpoch?.(data.epoch);
      else resolve(data);
    };
    worker.postMessage(job);
  }).finally(() => signal.removeEventListener('abort', abort));
  idle = worker;
  if (message.type === 'failed') throw Object.assign(new Error(message.message), { code: message.code });
  return (message as Extract<Message, { type: 'result' }>).result as Results[T];
}
