import type { EpochRow, Job, JobProgress, Message, PickedFile, Results } from './jobs.js';

/** What the page hears of a job. */
export interface JobListener {
  onProgress?(progress: JobProgress): void;
  onEpoch?(epoch: EpochRow): void;
}

/** The program of the worker: a text that the page has, so that it also starts from a file. */
declare const WORKER_PROGRAM: string;

let program: string | undefined;

/**
 * Does a job in a worker of its own, which ends with it and gives all memory back.
 *
 * @param signal ends the worker at once
 * @throws Error with the worker's message and `code`; the signal's reason
 */
export function runJob<T extends Job['type']>(
  job: Extract<Job, { type: T }>,
  signal: AbortSignal,
  { onProgress, onEpoch }: JobListener = {},
): Promise<Results[T]> {
  program ??= URL.createObjectURL(new Blob([WORKER_PROGRAM], { type: 'text/javascript' }));
  const worker = new Worker(program);
  return new Promise<Results[T]>((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    worker.onerror = ({ message }) => reject(new Error(`The worker has failed: ${message}`));
    worker.onmessage = ({ data }: MessageEvent<Message>) => {
      if (data.type === 'progress') onProgress?.(data.progress);
      else if (data.type === 'epoch') onEpoch?.(data.epoch);
      else if (data.type === 'result')
        adopt(data.result).then((result) => resolve(result as Results[T]), reject);
      else reject(Object.assign(new Error(data.message), { code: data.code }));
    };
    worker.postMessage(job);
  }).finally(() => worker.terminate());
}

/** Copies the blobs of a result before its worker ends: WebKit may hang on those of one that is gone. */
async function adopt(result: Results[keyof Results]): Promise<Results[keyof Results]> {
  if ('makesFiles' in result) return { ...result, payload: await copyOf(result.payload) };
  if (!('promised' in result)) return result;
  const files: PickedFile[] = [];
  for (const { path, blob } of result.files) files.push({ path, blob: await copyOf(blob) });
  return { ...result, files };
}

const copyOf = async (blob: Blob): Promise<Blob> => new Blob([await blob.arrayBuffer()]);
