import { printable } from '../src/model/printable.js';
import type { Progress } from '../src/model/progress.js';
import type { StepReport } from '../src/train/loop.js';
import type { CommonFlags } from './command.js';
import { formatBytes, formatSeconds, type Io } from './io.js';

/** Milliseconds between two redraws on a terminal. */
const REDRAW_MS = 100;

/** Milliseconds between two lines in a log. */
const LOG_MS = 10_000;

/** Clears the line of a terminal. */
const CLEAR = '\r\u001b[2K';

/** How progress of some kind is shown. */
export interface ProgressView<P extends Progress> {
  /** @returns the line; `elapsed` is the time since the phase began, in milliseconds */
  describe(progress: P, elapsed: number): string;
  /** Whether a report is drawn at once, however little time has passed; by default none is. */
  isDue?(progress: P, before: P | undefined): boolean;
  /** Whether a terminal keeps the last line of each phase; by default it is cleared. */
  readonly keepsLines?: boolean;
}

/** Draws progress on stderr: one line that is redrawn on a terminal, a line now and then in a log. */
export class ProgressLine<P extends Progress = Progress> {
  readonly #io: Io;
  readonly #isQuiet: boolean;
  readonly #view: ProgressView<P>;
  #last: P | undefined;
  #phaseStart = 0;
  #lastDrawn: number;
  /** Whether the terminal's line holds progress. */
  #isDrawn = false;

  constructor(io: Io, flags: CommonFlags, view: ProgressView<P>) {
    this.#io = io;
    this.#isQuiet = flags.quiet;
    this.#view = view;
    this.#lastDrawn = io.now();
  }

  /** Takes a report; fits callbacks of the library. */
  readonly report = (progress: P): void => {
    if (this.#isQuiet) return;
    const now = this.#io.now();
    const before = this.#last;
    this.#last = progress;
    if (before?.phase !== progress.phase) {
      this.#phaseStart = now;
      if (this.#view.keepsLines) this.#endLine('\n');
    }
    const isTime = now - this.#lastDrawn >= (this.#io.isTerminal ? REDRAW_MS : LOG_MS);
    if (!isTime && !this.#view.isDue?.(progress, before)) return;
    this.#lastDrawn = now;
    this.#draw(this.#view.describe(progress, now - this.#phaseStart));
  };

  /** Prints a line that stays. */
  say(text: string): void {
    if (this.#isQuiet) return;
    this.#endLine(CLEAR);
    this.#io.err(`${printable(text)}\n`);
  }

  /** Leaves the terminal's line to others. */
  finish(): void {
    this.#endLine(this.#view.keepsLines ? '\n' : CLEAR);
    this.#last = undefined;
  }

  #draw(text: string): void {
    const line = printable(text);
    this.#io.err(this.#io.isTerminal ? `${CLEAR}${line}` : `${line}\n`);
    this.#isDrawn = true;
  }

  #endLine(ending: string): void {
    if (this.#isDrawn && this.#io.isTerminal) this.#io.err(ending);
    this.#isDrawn = false;
  }
}

/** Shows how reading and writing go, in bytes; short work shows nothing. */
export function byteProgress(io: Io, flags: CommonFlags): ProgressLine {
  return new ProgressLine(io, flags, { describe: describeBytes });
}

function describeBytes({ phase, done, total }: Progress, elapsed: number): string {
  const parts = [phase.padEnd(8), `${formatBytes(done)} of ${formatBytes(total)}`];
  if (elapsed > 0) {
    const left = (elapsed / 1000) * (total / done - 1);
    parts.push(`${formatBytes((1000 * done) / elapsed)}/s`, `${formatSeconds(left)} left`);
  }
  return parts.join('  ');
}

/** Shows which step of measuring runs: a log has a line for every step. */
export function measuringProgress(io: Io, flags: CommonFlags): ProgressLine {
  return new ProgressLine(io, flags, {
    describe: ({ phase, done, total }) => `${Math.min(done + 1, total)}/${total}  ${phase}`,
    isDue: ({ done }, before) => done !== before?.done,
  });
}

/** Shows how one training run goes: epoch, step, loss, and what the diff says of its state. */
export function trainingProgress(io: Io, flags: CommonFlags): ProgressLine<StepReport> {
  return new ProgressLine(io, flags, {
    describe: describeStep,
    isDue: ({ phase, done, total }, before) => phase !== before?.phase || done === total,
    keepsLines: true,
  });
}

function describeStep(report: StepReport, elapsed: number): string {
  const { phase, epoch, epochs, done, total, loss, state } = report;
  const states = Object.entries(state).map(([name, value]) => `${name} ${formatState(value)}`);
  const seconds = (elapsed / 1000 / done) * (total - done);
  return [
    `${phase.padEnd(9)} epoch ${epoch + 1}/${epochs}`,
    `step ${done}/${total}`,
    `loss ${loss.toFixed(4)}`,
    ...states,
    `${formatSeconds(seconds)} left`,
  ].join('  ');
}

function formatState(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toPrecision(3);
}
