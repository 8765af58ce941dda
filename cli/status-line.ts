import type { StepReport } from '../src/train/loop.js';
import type { CommonFlags, Io } from './io.js';

/** Milliseconds between two redraws on a terminal. */
const REDRAW_MS = 100;

/** Milliseconds between two lines in a log. */
const LOG_MS = 10_000;

/** Shows on stderr what runs side by side: one line redrawn on a terminal, a line now and then in a log. */
export class StatusLine {
  readonly isQuiet: boolean;
  readonly #io: Io;
  /** What runs, in words. */
  readonly #running = new Map<string, string>();
  #lastDrawn = Number.NEGATIVE_INFINITY;

  constructor(io: Io, flags: CommonFlags) {
    this.isQuiet = flags.quiet;
    this.#io = io;
  }

  /**
   * Takes a step of something that runs.
   *
   * @param key tells what runs apart
   * @param write makes the line of what runs; called when it is time to draw
   */
  step(
    key: string,
    { name, done: step, total: steps }: { name: string } & Pick<StepReport, 'done' | 'total'>,
    write: (running: readonly string[]) => readonly string[],
  ): void {
    if (step === steps) this.#running.delete(key);
    else this.#running.set(key, `${name} ${step}/${steps}`);
    const now = this.#io.now();
    if (this.isQuiet || now - this.#lastDrawn < (this.#io.isTerminal ? REDRAW_MS : LOG_MS)) return;
    this.#lastDrawn = now;
    const text = write([...this.#running.values()]).join('  ');
    this.#io.err(`${this.#clear()}${text}${this.#io.isTerminal ? '' : '\n'}`);
  }

  /** Takes things off that no longer run. */
  end(keys: readonly string[]): void {
    for (const key of keys) this.#running.delete(key);
  }

  /** Prints a line that stays. */
  say(text: string): void {
    if (!this.isQuiet) this.#io.err(`${this.#clear()}${text}\n`);
  }

  /** Leaves the terminal's line to others. */
  finish(): void {
    if (!this.isQuiet && this.#io.isTerminal) this.#io.err(this.#clear());
  }

  #clear(): string {
    return this.#io.isTerminal ? '\r\u001b[2K' : '';
  }
}
