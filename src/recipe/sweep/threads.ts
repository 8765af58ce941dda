import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { MessageChannel } from 'node:worker_threads';
import { type Task, type TaskQueue, Tinypool } from 'tinypool';
import { reviveFailure } from '../../model/errors.js';
import type { StepReport } from '../../train/training-options.js';
import type { EpochReport } from '../../train/training-state.js';
import type { Answer, Products, Report, Request, WorkerTask } from './worker.js';

const WORKER = fileURLToPath(new URL('./worker.js', import.meta.url));

/** Creates a separate queue for each pool: the default one is shared by all pools of a process. */
function createQueue(): TaskQueue {
  const tasks: Task[] = [];
  return {
    get size() {
      return tasks.length;
    },
    shift: () => tasks.shift() ?? null,
    push: (task: Task) => void tasks.push(task),
    remove: (task: Task) => void tasks.splice(tasks.indexOf(task), 1),
    cancel: () => {
      for (const task of tasks.splice(0)) task.cancel();
    },
  };
}

/** Who is told what a thread does. */
export interface ThreadCallbacks {
  /** Called after every step. */
  readonly onStep?: ((report: StepReport) => void) | undefined;
  /** Called after every epoch, and for those of a state that a job goes on from. */
  readonly onEpoch?: (report: EpochReport) => void;
}

/** Worker threads, a new one for each request, so that side effects of a recipe cannot reach another job. */
export class Threads {
  readonly #pool: Tinypool;
  #closed: Promise<void> | undefined;

  readonly #worker: string;

  /**
   * @param count requests that may run at once; the caller must not exceed it
   * @param worker module with a function `work` that takes a `WorkerTask`
   */
  constructor(count: number, worker = WORKER) {
    this.#worker = worker;
    const options = { minThreads: 0, maxThreads: count, isolateWorkers: true, taskQueue: createQueue() };
    this.#pool = new Tinypool(options);
  }

  /**
   * Runs a request in a thread, which has ended when this returns.
   *
   * @throws errors of the request; Error if the thread was stopped or crashed
   */
  run<K extends keyof Products>(request: Request<K>, callbacks: ThreadCallbacks): Promise<Products[K]> {
    return this.runOther(request, callbacks);
  }

  /** The same for a request of another worker. */
  async runOther<Product>(request: unknown, { onStep, onEpoch }: ThreadCallbacks): Promise<Product> {
    const { port1, port2 } = new MessageChannel();
    port1.on('message', (report: Report) => {
      if ('step' in report) onStep?.(report.step);
      else onEpoch?.(report.epoch);
    });
    const closed = once(port1, 'close');
    try {
      const task: WorkerTask<unknown> = { request, port: port2 };
      const answer: Answer<Product> = await this.#pool.run(task, {
        transferList: [port2],
        filename: this.#worker,
        name: 'work',
      });
      // The worker closes its port last, so pending reports arrive first.
      await closed;
      if ('failure' in answer) throw reviveFailure(answer.failure);
      return answer.product;
    } finally {
      port1.close();
    }
  }

  /** Stops all threads, even while they work; resolves when they have ended. */
  close(): Promise<void> {
    this.#closed ??= this.#pool.destroy();
    return this.#closed;
  }
}
