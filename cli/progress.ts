import { printable } from '../src/model/printable.js';
import type { Progress } from '../src/model/progress.js';
import type { StepReport } from '../src/train/training-options.js';
import type { CommonFlags } from './command.js';
import { CLEAR, formatBytes, formatSeconds, type Io } from './io.js';

/** Milliseconds between two redraws on a terminal. */
const REDRAW_MS = 100;

/** Milliseconds between two lines in a log. */
const LOG_MS = 10_000;

/** Milliseconds between two JSON objects of one phase of one job. */
const JSON_MS = 1000;

/** Milliseconds after which the pace of a phase is known. */
const LEAST_ELAPSED_MS = 1000;

/** Columns of a terminal that does not say how wide it is. */
const COLUMNS = 80;

/** Flags of a command that shows progress. */
export type ProgressFlags = CommonFlags & { readonly progress?: 'text' | 'json' };

/** What is known of the time of a phase. */
export interface Pace {
  /** Since the first report, in milliseconds. */
  readonly elapsed: number;
  /** What the first report had done. */
  readonly first: number;
  /** Most characters of a line. */
  readonly width: number;
}

/** How progress of some kind is shown. */
export interface ProgressView<P extends Progress> {
  /** @returns the line; what is wider than the terminal is cut off */
  describe(progress: P, pace: Pace): string;
  /** Whether a report is drawn at once, however little time has passed; by default none is. */
  isDue?(progress: P, before: P | undefined): boolean;
  /** Whether a terminal keeps the last line of each phase; by default it is cleared. */
  readonly keepsLines?: boolean;
}

/** A report that was printed as JSON. */
interface Printed {
  readonly phase: string;
  readonly at: number;
}

/**
 * Draws progress on stderr: one line that is redrawn on a terminal, a line now and then in a log, or JSON
 * objects, which quiet commands print too.
 */
export class ProgressLine<P extends Progress = Progress> {
  readonly #io: Io;
  readonly #isQuiet: boolean;
  readonly #isJson: boolean;
  readonly #view: ProgressView<P>;
  readonly #started: number;
  /** By name of a job. */
  readonly #printed = new Map<string | undefined, Printed>();
  #last: P | undefined;
  #phase = { start: 0, first: 0 };
  #lastDrawn: number;
  /** Whether the terminal's line holds progress. */
  #isDrawn = false;

  constructor(io: Io, flags: ProgressFlags, view: ProgressView<P>) {
    this.#io = io;
    this.#isJson = flags.progress === 'json';
    this.#isQuiet = flags.quiet;
    this.#view = view;
    this.#started = io.now();
    this.#lastDrawn = this.#started;
  }

  /** Takes a report; fits callbacks of the library. */
  readonly report = (progress: P): void => this.reportOf(undefined, progress);

  /** Takes a report of one of several jobs. */
  reportOf(name: string | undefined, progress: P): void {
    if (this.#isJson) {
      this.#print(name, progress);
      return;
    }
    if (this.#isQuiet) return;
    const now = this.#io.now();
    const before = this.#last;
    this.#last = progress;
    if (before?.phase !== progress.phase) {
      this.#phase = { start: now, first: progress.done };
      if (this.#view.keepsLines) this.#endLine('\n');
    }
    const isTime = now - this.#lastDrawn >= (this.#io.isTerminal ? REDRAW_MS : LOG_MS);
    if (!isTime && !this.#view.isDue?.(progress, before)) return;
    this.#lastDrawn = now;
    const { start, first } = this.#phase;
    // The last column stays free: some terminals break the line after it.
    const width = this.#io.isTerminal ? (this.#io.columns ?? COLUMNS) - 1 : Number.POSITIVE_INFINITY;
    this.#draw(cut(printable(this.#view.describe(progress, { elapsed: now - start, first, width })), width));
  }

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

  /** Prints the begin and the end of a phase, and what happens between them now and then. */
  #print(name: string | undefined, { phase, done, total }: P): void {
    const now = this.#io.now();
    const before = this.#printed.get(name);
    const isDue = before?.phase !== phase || done >= total || now - before.at >= JSON_MS;
    if (!isDue) return;
    this.#printed.set(name, { phase, at: now });
    const seconds = Math.round(now - this.#started) / 1000;
    const line = { phase, done, total, ...(name !== undefined && { name }), seconds };
    this.#io.err(`${printable(JSON.stringify(line))}\n`);
  }

  #draw(line: string): void {
    this.#io.err(this.#io.isTerminal ? `${CLEAR}${line}` : `${line}\n`);
    this.#isDrawn = true;
  }

  #endLine(ending: string): void {
    if (this.#isDrawn && this.#io.isTerminal) this.#io.err(ending);
    this.#isDrawn = false;
  }
}

function cut(line: string, width: number): string {
  const letters = [...line];
  return letters.length <= width ? line : `${letters.slice(0, width - 1).join('')}…`;
}

/** @returns the time that the rest takes, in a list: empty until it is known, and at the end */
function timeLeft({ done, total }: Progress, { elapsed, first }: Pace): string[] {
  if (done <= first || done >= total || elapsed < LEAST_ELAPSED_MS) return [];
  return [`${formatSeconds((elapsed / 1000 / (done - first)) * (total - done))} left`];
}

/** Shows how reading and writing go, in bytes; short work shows nothing. */
export function byteProgress(io: Io, flags: ProgressFlags): ProgressLine {
  return new ProgressLine(io, flags, { describe: describeBytes });
}

function describeBytes(progress: Progress, pace: Pace): string {
  const { phase, done, total } = progress;
  const left = timeLeft(progress, pace);
  const rate = `${formatBytes(Math.round((1000 * (done - pace.first)) / pace.elapsed))}/s`;
  const parts = [phase.padEnd(8), `${formatBytes(done)} of ${formatBytes(total)}`];
  return [...parts, ...(left.length > 0 ? [rate] : []), ...left].join('  ');
}

/** Shows which step of measuring runs: a log has a line for every step. */
export function measuringProgress(io: Io, flags: ProgressFlags): ProgressLine {
  return new ProgressLine(io, flags, {
    describe: ({ phase, done, total }) => `${Math.min(done + 1, total)}/${total}  ${phase}`,
    isDue: ({ done }, before) => done !== before?.done,
  });
}

/** Shows how one training run goes: epoch, step, loss, and what the diff says of its state. */
export function trainingProgress(io: Io, flags: ProgressFlags): ProgressLine<StepReport> {
  return new ProgressLine(io, flags, {
    describe: describeStep,
    isDue: ({ phase, done, total }, before) => phase !== before?.phase || done === total,
    keepsLines: true,
  });
}

/** Leaves out states of the diff where the line is too narrow for them. */
function describeStep(report: StepReport, pace: Pace): string {
  const { phase, epoch, epochs, done, total, loss, state } = report;
  const states = Object.entries(state).map(([name, value]) => `${name} ${formatState(value)}`);
  const head = [`${phase.padEnd(9)} epoch ${epoch + 1}/${epochs}`, `step ${done}/${total}`];
  const lineWith = (shown: readonly string[]): string =>
    [...head, `loss ${loss.toFixed(4)}`, ...shown, ...timeLeft(report, pace)].join('  ');
  while (states.length > 0 && lineWith(states).length > pace.width) states.pop();
  return lineWith(states);
}

function formatState(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toPrecision(3);
}
