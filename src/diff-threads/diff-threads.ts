import { availableParallelism } from 'node:os';
import type { Coder } from '../exact-diff/index.js';
import { ThreadLane } from './thread-lane.js';

/** Threads unless more are asked for: reading two models keeps up with as many. */
const MOST_THREADS = 8;

/** What `createDiffThreads` takes. */
export interface DiffThreadsOptions {
  /** Threads, 1 or more: one a processor unless given, 8 at most. */
  readonly count?: number | undefined;
}

/** Threads that code large models for `diffStores`: close them. */
export interface DiffThreads extends Coder {
  /** Ends all threads, whatever they are at; they may be used again. */
  close(): Promise<void>;
}

/**
 * Makes threads that code the differences of large models side by side, each some 15 MB; they begin when there is work for them.
 *
 * @throws RangeError for a count that is no whole number from 1 on
 *
 * @example
 * const threads = createDiffThreads();
 * const { pieces } = await diffStores(base, next, { coder: threads });
 * await threads.close();
 */
export function createDiffThreads(options: DiffThreadsOptions = {}): DiffThreads {
  const { count = Math.min(MOST_THREADS, availableParallelism()) } = options;
  if (!Number.isInteger(count) || count < 1)
    throw new RangeError(`Cannot use ${count} threads: expected a whole number of at least 1`);
  const lanes = Array.from({ length: count }, () => new ThreadLane());
  return {
    lanes,
    async close() {
      await Promise.all(lanes.map((lane) => lane.close()));
    },
  };
}
