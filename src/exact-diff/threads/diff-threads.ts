import { availableParallelism } from 'node:os';
import type {
  ChangedTensor,
  CodedTensor,
  Coder,
  Consumer,
  EncodedRecord,
  Lane,
  RecordPlan,
  RecordsOf,
} from '../lane.js';
import { lendBytes } from './messages.js';
import { Thread } from './thread.js';
import type { ThreadJob } from './work.js';

/** Threads unless others are asked for: reading two models keeps up with as many; and the most, as compressed archives are read by as many. */
const USUAL_THREADS = 8;
const MOST_THREADS = 16;

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

/** A lane in a thread of its own, which begins with the first piece of work. */
export class ThreadLane implements Lane {
  #thread: Thread | undefined;

  choose(tensor: ChangedTensor): Consumer<CodedTensor> {
    const work = this.#open().begin({ type: 'choose', tensor });
    return through(work, async () => (await work.finish()).coded as CodedTensor);
  }

  write(plan: RecordPlan, sink: (bytes: Uint8Array) => void): Consumer<void> {
    return withoutResult(this.#open().begin({ type: 'write', plan }, { sink }));
  }

  check({ records, infos }: RecordsOf): Consumer<void> {
    const lent = records.map(({ kind, bytes }) => ({ kind, bytes: lendBytes(bytes.length) }));
    const lender = (record: number) => ({
      lent: (lent[record] as (typeof lent)[number]).bytes,
      source: (records[record] as EncodedRecord).bytes,
    });
    return withoutResult(this.#open().begin({ type: 'check', infos, records: lent }, { lender }));
  }

  #open(): Thread {
    if (this.#thread === undefined || this.#thread.hasEnded) this.#thread = new Thread();
    return this.#thread;
  }

  /** Ends the thread, whatever it is at. */
  async close(): Promise<void> {
    await this.#thread?.end();
    this.#thread = undefined;
  }
}

function withoutResult(work: ThreadJob): Consumer<void> {
  return through(work, async () => void (await work.finish()));
}

function through<R>(work: ThreadJob, finish: () => Promise<R>): Consumer<R> {
  return { push: (info, pair) => work.push(info, pair), finish, abandon: () => work.abandon() };
}
