import type { StepReport } from '../src/train/loop.js';
import { type CommonFlags, formatSeconds, type Io } from './io.js';

/** Milliseconds between two redraws on a terminal. */
const REDRAW_MS = 100;

/** Milliseconds between two lines in a log. */
const LOG_MS = 10_000;

/** Shows on stderr how training goes: one line redrawn on a terminal, a line now and then in a log. */
export class TrainingProgress {
  readonly #io: Io;
  readonly #quiet: boolean;
  #phase = '';
  #phaseStart = 0;
  #lastDrawn = Number.NEGATIVE_INFINITY;

  constructor(io: Io, flags: CommonFlags) {
    this.#io = io;
    this.#quiet = flags.quiet;
  }

  /** Takes the report of a step. */
  step(report: StepReport): void {
    if (this.#quiet) return;
    const now = this.#io.now();
    if (report.phase !== this.#phase) {
      this.finish();
      this.#phase = report.phase;
      this.#phaseStart = now;
    }
    const isLast = report.done === report.total;
    if (!isLast && now - this.#lastDrawn < (this.#io.isTerminal ? REDRAW_MS : LOG_MS)) return;
    this.#lastDrawn = now;
    const line = this.#describe(report, now);
    this.#io.err(this.#io.isTerminal ? `\r\u001b[2K${line}` : `${line}\n`);
  }

  /** Leaves the line as it is and moves to the next. */
  finish(): void {
    if (!this.#quiet && this.#io.isTerminal && this.#phase !== '') this.#io.err('\n');
    this.#phase = '';
    this.#lastDrawn = Number.NEGATIVE_INFINITY;
  }

  #describe(report: StepReport, now: number): string {
    const { epoch, epochs, done: step, total: steps, loss, state, phase } = report;
    const parts = [`${phase.padEnd(9)} epoch ${epoch + 1}/${epochs}`, `step ${step}/${steps}`];
    parts.push(`loss ${loss.toFixed(4)}`);
    for (const [name, value] of Object.entries(state)) parts.push(`${name} ${formatState(value)}`);
    parts.push(`${formatSeconds(((now - this.#phaseStart) / 1000 / step) * (steps - step))} left`);
    return parts.join('  ');
  }
}

function formatState(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toPrecision(3);
}
