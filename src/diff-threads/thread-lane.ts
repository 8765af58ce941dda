import type {
  ChangedTensor,
  CodedTensor,
  EncodedRecord,
  Lane,
  RecordPlan,
  RecordsOf,
  Taker,
} from '../exact-diff/index.js';
import { lendBytes } from './lent-bytes.js';
import { Thread } from './thread.js';
import type { Work } from './work.js';

/** A lane in a thread of its own, which begins with the first piece of work. */
export class ThreadLane implements Lane {
  #thread: Thread | undefined;

  choose(tensor: ChangedTensor): Taker<CodedTensor> {
    const work = this.#open().begin({ type: 'choose', tensor });
    return through(work, async () => (await work.finish()).coded as CodedTensor);
  }

  write(plan: RecordPlan, sink: (bytes: Uint8Array) => void): Taker<void> {
    return withoutResult(this.#open().begin({ type: 'write', plan }, { sink }));
  }

  check({ records, infos }: RecordsOf): Taker<void> {
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

function withoutResult(work: Work): Taker<void> {
  return through(work, async () => void (await work.finish()));
}

function through<R>(work: Work, finish: () => Promise<R>): Taker<R> {
  return { take: (info, pair) => work.take(info, pair), finish, abandon: () => work.abandon() };
}
