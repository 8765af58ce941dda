import { availableParallelism } from 'node:os';
import type { ChangedTensor, CodedTensor } from '../coding-trial.js';
import type { Coder, Consumer, EncodedRecord, Lane, RecordPlan, RecordsOf } from '../lane.js';
import { createSharedSource } from './messages.js';
import type { RemoteJob } from './remote-job.js';
import { Thread } from './thread.js';

/**
 * Default limit, as reading two models keeps up with this many threads, and the most that can be asked for.
 */
const USUAL_THREADS = 8;
const MOST_THREADS = 16;

/** Threads that code large models for `diffStores`, one diff at a time; close them after use. */
export interface DiffThreads extends Coder {
  /** Terminates all threads, even while they work; they start again on the next use. */
  close(): Promise<void>;
}

/**
 * Creates threads that code large models in parallel, with about 20 MB each; they start with their first job.
 *
 * @throws RangeError for a count that is not a whole number from 1 to 16
 *
 * @example
 * const threads = createDiffThreads({ count: 2 });
 * try {
 *   const [base, next] = [await openModel('models/v1'), await openModel('models/v2')];
 *   console.log((await diffStores(base, next, { coder: threads })).payloadBytes);
 * } finally {
 *   await threads.close();
 * }
 */
export function createDiffThreads(options: { readonly count?: number | undefined } = {}): DiffThreads {
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

/** A lane in a separate thread, which starts with the first job. */
class ThreadLane implements Lane {
  #thread: Thread | undefined;

  choose(tensors: readonly ChangedTensor[]): Consumer<CodedTensor[]> {
    const job = this.#open().begin({ type: 'choose', tensors });
    return consumerOf(job, async () => (await job.finish()).coded as CodedTensor[]);
  }

  write(plan: RecordPlan, sink: (bytes: Uint8Array) => void): Consumer<void> {
    return withoutResult(this.#open().begin({ type: 'write', plan }, { sink }));
  }

  check({ records, infos }: RecordsOf): Consumer<void> {
    const shared = records.map(({ kind, bytes }) => ({ kind, bytes: createSharedSource(bytes.length) }));
    const sourceOf = (record: number) => ({
      shared: (shared[record] as (typeof shared)[number]).bytes,
      source: (records[record] as EncodedRecord).bytes,
    });
    return withoutResult(this.#open().begin({ type: 'check', infos, records: shared }, { sourceOf }));
  }

  #open(): Thread {
    if (this.#thread === undefined || this.#thread.hasEnded) this.#thread = new Thread();
    return this.#thread;
  }

  /** Terminates the thread, even while it works. */
  async close(): Promise<void> {
    await this.#thread?.end();
    this.#thread = undefined;
  }
}

function withoutResult(job: RemoteJob): Consumer<void> {
  return consumerOf(job, async () => void (await job.finish()));
}

function consumerOf<R>(job: RemoteJob, finish: () => Promise<R>): Consumer<R> {
  return { push: (info, pair) => job.push(info, pair), finish, abandon: () => job.abandon() };
}
