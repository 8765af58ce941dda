import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { type Answer, type BytesRequest, type Job, type Request, WINDOW_BYTES } from './messages.js';
import { type JobHandlers, Pairs, ThreadJob } from './work.js';

const PROGRAM = fileURLToPath(new URL('./worker.js', import.meta.url));

/** What lives shortly in a thread is collected early, in megabytes: V8 would let it grow to 16 and more. */
const LIMITS = { maxYoungGenerationSizeMb: 2 };

/** A request that has no answer yet. */
interface Waiting {
  resolve(answer: Answer): void;
  reject(error: unknown): void;
}

/** A thread that codes: it is given one piece of work at a time, and holds two runs of it at most. */
export class Thread {
  readonly #worker = new Worker(PROGRAM, { resourceLimits: LIMITS });
  readonly #pairs = new Pairs();
  readonly #room = new Uint8Array(WINDOW_BYTES);
  readonly #waiting: Waiting[] = [];
  #work: ThreadJob | undefined;
  #end: Error | undefined;

  constructor() {
    this.#worker.on('message', (message: Answer | BytesRequest) => this.#hear(message));
    this.#worker.on('error', (error) => this.#break(error));
    this.#worker.on('exit', () => this.#break(new Error('A thread has ended')));
  }

  /** Begins a piece of work; the one before is done, or given up. */
  begin(order: Job, ends: JobHandlers = {}): ThreadJob {
    const ask = (request: Request, moved?: ArrayBuffer[]): Promise<Answer> => this.#ask(request, moved);
    this.#work = new ThreadJob(order, ends, { ask, pairs: this.#pairs, buffer: this.#room });
    return this.#work;
  }

  get hasEnded(): boolean {
    return this.#end !== undefined;
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  #ask(request: Request, moved: ArrayBuffer[] = []): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#end) return reject(this.#end);
      // What cannot be sent has no answer.
      this.#worker.postMessage(request, moved);
      this.#waiting.push({ resolve, reject });
    });
  }

  #hear(message: Answer | BytesRequest): void {
    if (message.type === 'need') this.#work?.lend(message);
    else this.#waiting.shift()?.resolve(message);
  }

  #break(error: Error): void {
    this.#end ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#end);
    this.#pairs.close(this.#end);
  }
}
