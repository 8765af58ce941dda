import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';

/** What a unit's thread says: what it has just done, then its result. */
export type UnitMessage<T> =
  | { readonly type: 'progress'; readonly text: string }
  | { readonly type: 'result'; readonly result: T };

/**
 * Runs units of work, each in a thread of its own, as many at once as the machine runs.
 *
 * @param script the thread's program; it gets a unit as `workerData` and answers with `UnitMessage`s
 * @param units plain data
 * @returns the results in the order of the units; none for those whose data are missing, which stderr tells
 */
export async function runUnits<Unit, Result>(script: URL, units: readonly Unit[]): Promise<Result[]> {
  const results: (Result | undefined)[] = [];
  const start = performance.now();
  let next = 0;
  const runNext = async (): Promise<void> => {
    for (let i = next++; i < units.length; i = next++) {
      results[i] = await runUnit<Result>(script, units[i], (text) => {
        const seconds = Math.round((performance.now() - start) / 1000);
        process.stderr.write(`${String(seconds).padStart(5)} s  ${text}\n`);
      });
    }
  };
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), units.length) }, runNext));
  return results.filter((result) => result !== undefined);
}

/** Code of the errors of tasks whose package cannot be downloaded. */
const MISSING = 'missing';

function runUnit<Result>(
  script: URL,
  unit: unknown,
  onProgress: (text: string) => void,
): Promise<Result | undefined> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(script, { workerData: unit });
    worker.on('message', (message: UnitMessage<Result>) => {
      if (message.type === 'progress') onProgress(message.text);
      else resolve(message.result);
    });
    worker.on('error', (error: Error & { code?: unknown }) => {
      if (error.code !== MISSING) return reject(error);
      process.stderr.write(`SKIPPED: ${JSON.stringify(unit)}: ${error.message}\n`);
      resolve(undefined);
    });
    worker.on('exit', (status) => reject(new Error(`A thread ended with status ${status} and no result`)));
  });
}
