/** How far a fit has come: `fit` looks at all tensors once for an error, several times for a budget. */
export interface FitProgress {
  readonly phase: 'fit';
  readonly bytesDone: number;
  /** For a budget, at most. */
  readonly bytesTotal: number;
}

/** How to follow and to stop a fit. */
export interface WorkOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: FitProgress) => void) | undefined;
}

/** Bytes between two moments at which others may run: a signal that a key fires among them. */
const BREATH_BYTES = 2 ** 22;

/** Counts work, reports it, and stops it on request. */
export class Work {
  readonly #options: WorkOptions;
  readonly #bytesTotal: number;
  #bytesDone = 0;
  #breathed = 0;

  constructor(options: WorkOptions, bytesTotal: number) {
    this.#options = options;
    this.#bytesTotal = bytesTotal;
  }

  /**
   * Call it behind each piece of work.
   *
   * @throws the signal's reason
   */
  async add(bytes: number): Promise<void> {
    this.#bytesDone += bytes;
    this.#options.onProgress?.({ phase: 'fit', bytesDone: this.#bytesDone, bytesTotal: this.#bytesTotal });
    if (this.#bytesDone - this.#breathed >= BREATH_BYTES) {
      this.#breathed = this.#bytesDone;
      await new Promise((resolve) => setTimeout(resolve));
    }
    this.#options.signal?.throwIfAborted();
  }
}
