import type { StepOptions } from './options.js';

/** Runs steps one after the other and reports progress. */
export class Steps {
  #total: number;
  readonly #options: StepOptions;
  #done = 0;

  constructor(total: number, options: StepOptions) {
    this.#total = total;
    this.#options = options;
  }

  get signal(): AbortSignal | undefined {
    return this.#options.signal;
  }

  /** Adds steps that were not known at the start. */
  add(count: number): void {
    this.#total += count;
  }

  /**
   * Runs a step.
   *
   * @param doing describes the step
   * @throws the signal's reason, before and after the step; errors of the step
   */
  async run<T>(doing: string, step: () => Promise<T>): Promise<T> {
    this.report(doing);
    const result = await step();
    this.signal?.throwIfAborted();
    this.#done++;
    return result;
  }

  /**
   * Reports progress before or within a step.
   *
   * @throws the signal's reason
   */
  report(doing: string): void {
    this.signal?.throwIfAborted();
    this.#options.onProgress?.({ phase: doing, done: this.#done, total: this.#total });
    this.signal?.throwIfAborted();
  }
}
