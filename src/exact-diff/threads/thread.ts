import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { type Answer, type BytesRequest, type Job, type Request, WINDOW_BYTES } from './messages.js';
import { BufferPool, type JobHandlers, RemoteJob } from './remote-job.js';

const PROGRAM = fileURLToPath(new URL('./worker.js', import.meta.url));

/** Limits the young generation, in megabytes: V8 would let it grow to 16 and more. */
const LIMITS = { maxYoungGenerationSizeMb: 2 };

/** A request without an answer yet. */
interface Waiting {
  resolve(answer: Answer): void;
  reject(error: unknown): void;
}

/** A coding thread: it works on one job at a time and holds at most two runs of it. */
export class Thread {
  readonly #worker = new Worker(PROGRAM, { resourceLimits: LIMITS });
  readonly #pool = new BufferPool();
  readonly #buffer = new Uint8Array(WINDOW_BYTES);
  readonly #waiting: Waiting[] = [];
  #job: RemoteJob | undefined;
  #end: Error | undefined;

  constructor() {
    this.#worker.on('message', (message: Answer | BytesRequest) => this.#receive(message));
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', () => this.#fail(new Error('Cannot code tensors: a worker thread has ended')));
  }

  /** Begins a job; the previous one must be finished or abandoned. */
  begin(job: Job, handlers: JobHandlers = {}): RemoteJob {
    const ask = (request: Request, transfer?: ArrayBuffer[]): Promise<Answer> => this.#ask(request, transfer);
    this.#job = new RemoteJob(job, handlers, { ask, pool: this.#pool, buffer: this.#buffer });
    return this.#job;
  }

  get hasEnded(): boolean {
    return this.#end !== undefined;
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  #ask(request: Request, transfer: ArrayBuffer[] = []): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#end) return reject(this.#end);
      // If this throws, there is no answer to wait for.
      this.#worker.postMessage(request, transfer);
      this.#waiting.push({ resolve, reject });
    });
  }

  #receive(message: Answer | BytesRequest): void {
    if (message.type === 'read') this.#job?.provide(message);
    else this.#waiting.shift()?.resolve(message);
  }

  #fail(error: Error): void {
    this.#end ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#end);
    this.#pool.close(this.#end);
  }
}
