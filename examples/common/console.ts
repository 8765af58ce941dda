/** Shows on stderr what the demo is doing: a line a stage, redrawn on a terminal. */
export class Console {
  readonly #quiet: boolean;
  #stage = '';
  #started = 0;
  #lastDrawn = 0;

  constructor(quiet: boolean) {
    this.#quiet = quiet;
  }

  /** Ends the stage at hand and starts another. */
  start(stage: string): void {
    this.end();
    this.#stage = stage;
    this.#started = performance.now();
    if (!this.#quiet && process.stderr.isTTY) process.stderr.write(stage);
  }

  /** Says how far the stage is, on a terminal. */
  show(detail: string): void {
    const now = performance.now();
    if (this.#quiet || !process.stderr.isTTY || now - this.#lastDrawn < 100) return;
    this.#lastDrawn = now;
    process.stderr.write(`\r\u001b[2K${this.#stage}: ${detail}`);
  }

  /** Says how long the stage took, and what came of it. */
  end(result = ''): void {
    if (this.#stage === '' || this.#quiet) return;
    const seconds = ((performance.now() - this.#started) / 1000).toFixed(1);
    process.stderr.write(
      `${process.stderr.isTTY ? '\r\u001b[2K' : ''}${this.#stage}: ${seconds} s${result === '' ? '' : `, ${result}`}\n`,
    );
    this.#stage = '';
  }
}
