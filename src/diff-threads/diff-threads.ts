import { availableParallelism } from 'node:os';
import type { Coder } from '../exact-diff/index.js';
import { ThreadLane } from './thread-lane.js';

/** Threads unless others are asked for: reading two models keeps up with as many; and the most, as compressed archives are read by as many. */
const USUAL_THREADS = 8;
const MOST_THREADS = 16;

/** What `createDiffThreads` takes. */
export interface DiffThreadsOptions {
  /** Threads, 1 to 16; unless given one a processor, 8 at most. */
  readonly count?: number | undefined;
}

/** Threads that code large models for `diffStores`, one diff after the other: close them. */
export interface DiffThreads extends Coder {
  /** Ends all threads, whatever they are at; they may be used again. */
  close(): Promise<void>;
}

/**
 * Makes threads that code the differences of large models side by side, each some 20 MB; they begin when there is work for them.
 *
 * @throws RangeError for a count that is no whole number from 1 to 16
 *
 * @example
 * const threads = createDiffThreads();
 * try {
 *   const { pieces } = await diffStores(base, next, { coder: threads });
 * } finally {
 *   await threads.close();
 * }
 */
export function createDiffThreads(options: DiffThreadsOptions = {}): DiffThreads {
  const { count = Math.min(USUAL_THREADS, availableParallelism()) } = options;
  if (!Number.isInteger(count) || count < 1 || count > MOST_THREADS)
    throw new RangeError(`Cannot use ${count} threads: expected a whole number from 1 to ${MOST_THREADS}`);
  const lanes = Array.from({ length: count }, () => new ThreadLane());
  let last: Promise<unknown> = Promise.resolve();
  return {
    use(work) {
      const done = last.then(() => work(lanes));
      last = done.catch(() => undefined);
      return done;
    },
    async close() {
      await Promise.all(lanes.map((lane) => lane.close()));
    },
  };
}
