/** Comparisons of elements between two moments at which others may run: some hundredths of a second. */
const COMPARISONS_PER_YIELD = 2 ** 22;

/** Lets others run between pieces of long work that waits for nothing, and stops it on request. */
export class Yielder {
  readonly #signal: AbortSignal | undefined;
  #spent = 0;

  constructor(signal?: AbortSignal) {
    this.#signal = signal;
  }

  /**
   * Call it behind each piece of work.
   *
   * @param comparisons how much was compared in it
   * @throws the signal's reason
   */
  async tick(comparisons: number): Promise<void> {
    this.#spent += comparisons;
    if (this.#spent < COMPARISONS_PER_YIELD) return;
    this.#spent = 0;
    await new Promise((resolve) => setTimeout(resolve));
    this.#signal?.throwIfAborted();
  }
}
