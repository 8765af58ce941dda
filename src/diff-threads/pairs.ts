import { RUN_BYTES } from '../exact-diff/index.js';
import type { Pair } from './messages.js';

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
