import { reviveFailure } from '../../model/errors.js';
import type { TensorInfo } from '../../model/tensor.js';
import { type Consumer, type EncodedRecord, RUN_BYTES } from '../lane.js';
import type { BytePair } from '../pairs.js';
import {
  type Answer,
  type BytesRequest,
  type Job,
  type LentBytes,
  type Pair,
  type Request,
  serve,
} from './messages.js';

/** What a thread answers, once failures are thrown. */
export type Answered = Omit<Answer, 'failure'>;

/** What a thread's work takes from this one, and gives it. */
export interface JobHandlers {
  /** Takes bytes of a record. */
  readonly sink?: (bytes: Uint8Array) => void;
  /** Where the bytes of a record are, and where they are shown. */
  readonly lender?: (record: number) => { lent: LentBytes; source: EncodedRecord['bytes'] };
}

/** The way to a thread. */
export interface Channel {
  /** @param moved memory that goes along: it is the thread's from then on */
  ask(request: Request, moved?: ArrayBuffer[]): Promise<Answer>;
  readonly pairs: Pairs;
  /** Memory for a window of a record. */
  readonly buffer: Uint8Array;
}

/** One piece of work; its first failure is what all that comes later throws. */
export class ThreadJob implements Consumer<Answered> {
  readonly #ends: JobHandlers;
  readonly #thread: Channel;
  #failure: { readonly error: unknown } | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(order: Job, ends: JobHandlers, thread: Channel) {
    this.#ends = ends;
    this.#thread = thread;
    this.#follow(thread.ask({ type: 'order', order }));
  }

  /** Returns when the arrays are copied, not when they are coded. */
  async push(info: TensorInfo, { byteOffset, before, after }: BytePair): Promise<void> {
    const pair = await this.#thread.pairs.borrow();
    if (this.#failure) this.#thread.pairs.giveBack(pair);
    this.#check();
    new Uint8Array(pair.before).set(before);
    new Uint8Array(pair.after).set(after);
    const request = { type: 'take', info, byteOffset, length: after.length, pair } as const;
    this.#follow(this.#thread.ask(request, [pair.before, pair.after]));
  }

  async finish(): Promise<Answered> {
    const answer = this.#thread.ask({ type: 'finish' });
    this.#follow(answer);
    await this.#last;
    this.#check();
    return answer;
  }

  /** Waits for what is under way: nothing comes of it later. */
  async abandon(): Promise<void> {
    this.#failure ??= { error: new Error('This work was given up') };
    await this.#last;
  }

  lend({ record, at }: BytesRequest): void {
    const found = this.#ends.lender?.(record);
    if (found === undefined) return;
    try {
      serve(found.lent, { source: found.source, at, room: this.#thread.buffer });
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
      for (const piece of this.#failure ? [] : bytes) this.#ends.sink?.(piece);
    } finally {
      if (pair) this.#thread.pairs.giveBack(pair);
    }
  }

  #check(): void {
    if (this.#failure) throw this.#failure.error;
  }
}

/** Runs that a thread holds at once: it codes one while the next is read. */
const PAIRS = 2;

/** Memory for the runs that a thread is given: who finds none free waits. */
export class Pairs {
  readonly #free: Pair[] = [];
  readonly #waiting: { resolve(pair: Pair): void; reject(error: unknown): void }[] = [];
  #made = 0;
  #end: Error | undefined;

  async borrow(): Promise<Pair> {
    if (this.#end) throw this.#end;
    const free = this.#free.pop();
    if (free) return free;
    if (this.#made < PAIRS) {
      this.#made++;
      return { before: new ArrayBuffer(RUN_BYTES), after: new ArrayBuffer(RUN_BYTES) };
    }
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  giveBack(pair: Pair): void {
    const next = this.#waiting.shift();
    if (next) next.resolve(pair);
    else this.#free.push(pair);
  }

  /** Whoever waits, or comes later, waits in vain. */
  close(error: Error): void {
    this.#end = error;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}
