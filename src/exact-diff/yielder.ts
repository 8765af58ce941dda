/** Units of work between two yields to the event loop: some hundredths of a second. */
const WORK_PER_YIELD = 2 ** 22;

/** Yields to the event loop now and then during long synchronous work, and stops it on request. */
export class Yielder {
  readonly #signal: AbortSignal | undefined;
  #spent = 0;

  constructor(signal?: AbortSignal) {
    this.#signal = signal;
  }

  /**
   * Call it after each piece of work.
   *
   * @param work bytes processed or elements compared since the last call
   * @throws the signal's reason
   */
  async tick(work: number): Promise<void> {
    this.#spent += work;
    if (this.#spent >= WORK_PER_YIELD) {
      this.#spent = 0;
      await new Promise((resolve) => setTimeout(resolve));
    }
    this.#signal?.throwIfAborted();
  }
}
