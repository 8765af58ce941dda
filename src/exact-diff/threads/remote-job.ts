import { reviveFailure } from '../../model/errors.js';
import type { TensorInfo } from '../../model/tensor.js';
import { type Consumer, type EncodedRecord, RUN_BYTES } from '../lane.js';
import type { BytePair } from '../pairs.js';
import {
  type Answer,
  type BufferPair,
  type BytesRequest,
  fillWindow,
  type Job,
  type Request,
  type SharedSource,
} from './messages.js';

/** An answer whose failure, if any, has been thrown. */
type Result = Omit<Answer, 'failure'>;

/** What a thread's job reads from and writes to this thread. */
export interface JobHandlers {
  /** Receives bytes of the record being written. */
  readonly sink?: (bytes: Uint8Array) => void;
  /** The bytes of a record to check, and the shared source through which the thread reads them. */
  readonly sourceOf?: (record: number) => { shared: SharedSource; source: EncodedRecord['bytes'] };
}

/** The connection to a thread. */
interface Channel {
  /** @param transfer buffers that are moved to the thread */
  ask(request: Request, transfer?: ArrayBuffer[]): Promise<Answer>;
  readonly pool: BufferPool;
  /** Scratch memory for a window of a record. */
  readonly buffer: Uint8Array;
}

/** One job of a thread; after its first failure, all later calls throw the same error. */
export class RemoteJob implements Consumer<Result> {
  readonly #handlers: JobHandlers;
  readonly #channel: Channel;
  #failure: { readonly error: unknown } | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(job: Job, handlers: JobHandlers, channel: Channel) {
    this.#handlers = handlers;
    this.#channel = channel;
    this.#follow(channel.ask({ type: 'begin', job }));
  }

  /** Resolves when the arrays are copied, before they are coded. */
  async push(info: TensorInfo, { byteOffset, before, after }: BytePair): Promise<void> {
    const pair = await this.#channel.pool.borrow();
    if (this.#failure) this.#channel.pool.release(pair);
    this.#check();
    new Uint8Array(pair.before).set(before);
    new Uint8Array(pair.after).set(after);
    const request = { type: 'push', info, byteOffset, length: after.length, pair } as const;
    this.#follow(this.#channel.ask(request, [pair.before, pair.after]));
  }

  async finish(): Promise<Result> {
    const answer = this.#channel.ask({ type: 'finish' });
    this.#follow(answer);
    await this.#last;
    this.#check();
    return answer;
  }

  /** Waits until pending requests are answered and discards their output. */
  async abandon(): Promise<void> {
    this.#failure ??= { error: new Error('Job cancelled') };
    await this.#last;
  }

  /** Answers a request for bytes of a record. */
  provide({ record, at }: BytesRequest): void {
    const found = this.#handlers.sourceOf?.(record);
    if (found === undefined) return;
    try {
      fillWindow(found.shared, { source: found.source, at, buffer: this.#channel.buffer });
    } catch (error) {
      this.#failure ??= { error };
    }
  }

  #follow(asked: Promise<Answer>): void {
    this.#last = asked
      .then((answer) => this.#receive(answer))
      .catch((error: unknown) => {
        this.#failure ??= { error };
      });
  }

  #receive({ failure, bytes, pair }: Answer): void {
    try {
      if (failure) throw reviveFailure(failure);
      for (const piece of this.#failure ? [] : bytes) this.#handlers.sink?.(piece);
    } finally {
      if (pair) this.#channel.pool.release(pair);
    }
  }

  #check(): void {
    if (this.#failure) throw this.#failure.error;
  }
}

/** Runs that a thread holds at once: it codes one while the next is read. */
const PAIRS = 2;

/** Buffers for the runs pushed to a thread; borrowing waits until one is free. */
export class BufferPool {
  readonly #free: BufferPair[] = [];
  readonly #waiting: { resolve(pair: BufferPair): void; reject(error: unknown): void }[] = [];
  #made = 0;
  #end: Error | undefined;

  async borrow(): Promise<BufferPair> {
    if (this.#end) throw this.#end;
    const free = this.#free.pop();
    if (free) return free;
    if (this.#made < PAIRS) {
      this.#made++;
      return { before: new ArrayBuffer(RUN_BYTES), after: new ArrayBuffer(RUN_BYTES) };
    }
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  release(pair: BufferPair): void {
    const next = this.#waiting.shift();
    if (next) next.resolve(pair);
    else this.#free.push(pair);
  }

  /** Rejects current and later borrowers. */
  close(error: Error): void {
    this.#end = error;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}
