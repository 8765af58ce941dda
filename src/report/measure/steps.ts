import type { Progress } from '../../model/progress.js';
/** How measuring is followed and stopped. */
export interface StepOptions {
  readonly signal?: AbortSignal;
  /** Steps that have ended, and all of them; the phase says what is being done: `predicting with "hash-0.5"`. */
  readonly onProgress?: (progress: Progress) => void;
}

/** Counts steps; one after the other is announced and done. */
export class Steps {
  readonly #total: number;
  readonly #options: StepOptions;
  #done = 0;

  constructor(total: number, options: StepOptions) {
    this.#total = total;
    this.#options = options;
  }

  get signal(): AbortSignal | undefined {
    return this.#options.signal;
  }

  /**
   * Does a step.
   *
   * @param doing what it is, in words
   * @throws the signal's reason, before the step and after it; what the step throws
   */
  async run<T>(doing: string, step: () => Promise<T>): Promise<T> {
    this.report(doing);
    const result = await step();
    this.signal?.throwIfAborted();
    this.#done++;
    return result;
  }

  /**
   * Says what is being done, before a step or within one.
   *
   * @throws the signal's reason
   */
  report(doing: string): void {
    this.signal?.throwIfAborted();
    this.#options.onProgress?.({ phase: doing, done: this.#done, total: this.#total });
    this.signal?.throwIfAborted();
  }
}
