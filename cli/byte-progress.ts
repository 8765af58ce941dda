import type { Progress } from '../src/model/progress.js';
import { type CommonFlags, formatBytes, formatSeconds, type Io } from './io.js';

/** Milliseconds between two redraws on a terminal; shorter work shows nothing. */
const REDRAW_MS = 200;

/** Milliseconds between two lines in a log. */
const LOG_MS = 10_000;

/** Shows on stderr how reading and writing go: one line redrawn on a terminal, a line now and then in a log. */
export class ByteProgress {
  readonly #io: Io;
  readonly #isQuiet: boolean;
  #phase = '';
  #phaseStart = 0;
  #lastDrawn: number;
  #isDrawn = false;

  constructor(io: Io, flags: CommonFlags) {
    this.#io = io;
    this.#isQuiet = flags.quiet;
    this.#lastDrawn = io.now();
  }

  /** Takes a report; fits callbacks of the library. */
  readonly report = (report: Progress): void => {
    const now = this.#io.now();
    if (report.phase !== this.#phase) {
      this.#phase = report.phase;
      this.#phaseStart = now;
    }
    if (this.#isQuiet || now - this.#lastDrawn < (this.#io.isTerminal ? REDRAW_MS : LOG_MS)) return;
    this.#lastDrawn = now;
    this.#isDrawn = true;
    const line = describe(report, now - this.#phaseStart);
    this.#io.err(this.#io.isTerminal ? `\r\u001b[2K${line}` : `${line}\n`);
  };

  /** Leaves the terminal's line to others. */
  finish(): void {
    if (this.#isDrawn && this.#io.isTerminal) this.#io.err('\r\u001b[2K');
  }
}

function describe({ phase, done, total }: Progress, elapsed: number): string {
  const parts = [phase.padEnd(8), `${formatBytes(done)} of ${formatBytes(total)}`];
  const left = (elapsed / 1000) * (total / done - 1);
  if (elapsed > 0) {
    parts.push(`${formatBytes((1000 * done) / elapsed)}/s`, `${formatSeconds(left)} left`);
  }
  return parts.join('  ');
}
