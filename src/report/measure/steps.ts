/** How far measuring has come. */
export interface MeasureProgress {
  /** What is being done, in words: `predicting with "hash-0.5"`. */
  readonly doing: string;
  /** Steps that have ended, and all of them. */
  readonly done: number;
  readonly total: number;
}

/** How measuring is followed and stopped. */
export interface StepOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: MeasureProgress) => void;
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
    this.#options.onProgress?.({ doing, done: this.#done, total: this.#total });
    this.signal?.throwIfAborted();
  }
}
