import type { StepReport } from '../../src/train/index.js';
import { type CommonFlags, formatSeconds, type Io } from '../io.js';

/** Milliseconds between two redraws on a terminal. */
const REDRAW_MS = 100;

/** Milliseconds between two lines in a log. */
const LOG_MS = 10_000;

/** What a sweep is about to train. */
export interface Plan {
  /** Names of the jobs, by place. */
  readonly jobs: readonly string[];
  /** Full fine-tunes in all. */
  readonly fineTunes: number;
}

/** Shows on stderr how a sweep goes: one line redrawn on a terminal, a line now and then in a log. */
export class SweepProgress {
  readonly #io: Io;
  readonly #quiet: boolean;
  readonly #plan: Plan;
  /** What runs, in words, by phase and the first place that it serves. */
  readonly #running = new Map<string, string>();
  /** Steps of each job's diff so far. */
  readonly #stepsOfDiff: number[];
  readonly #ended = new Set<number>();
  /** Steps that a run of a phase takes, once one was seen. */
  readonly #stepsOf = new Map<StepReport['phase'], number>();
  readonly #done = { 'fine-tune': 0, diff: 0 };
  #started = Number.NaN;
  #lastDrawn = Number.NEGATIVE_INFINITY;

  constructor(io: Io, flags: CommonFlags, plan: Plan) {
    this.#io = io;
    this.#quiet = flags.quiet;
    this.#plan = plan;
    this.#stepsOfDiff = plan.jobs.map(() => 0);
  }

  /** Takes the report of a step that serves the jobs at some places. */
  step({ phase, step, steps }: StepReport, places: readonly number[]): void {
    if (this.#quiet) return;
    const now = this.#io.now();
    if (Number.isNaN(this.#started)) this.#started = now;
    this.#done[phase]++;
    this.#stepsOf.set(phase, steps);
    const [first] = places as [number];
    if (phase === 'diff') this.#stepsOfDiff[first] = step;
    const others = places.length > 1 ? ` and ${places.length - 1} more` : '';
    const name = `${this.#plan.jobs[first]}${others} ${phase}`;
    if (step === steps) this.#running.delete(`${phase} ${first}`);
    else this.#running.set(`${phase} ${first}`, `${name} ${step}/${steps}`);
    if (now - this.#lastDrawn >= (this.#io.isTerminal ? REDRAW_MS : LOG_MS)) this.#draw(now);
  }

  /** Says how a job ended. */
  end(place: number, how: string): void {
    const name = this.#plan.jobs[place] as string;
    this.#ended.add(place);
    for (const phase of ['fine-tune', 'diff']) this.#running.delete(`${phase} ${place}`);
    if (this.#quiet) return;
    this.#io.err(`${this.#clear()}${this.#count()}  ${name}: ${how}\n`);
  }

  /** Leaves the terminal's line to others. */
  finish(): void {
    if (!this.#quiet && this.#io.isTerminal) this.#io.err(this.#clear());
  }

  #draw(now: number): void {
    this.#lastDrawn = now;
    const left = this.#secondsLeft(now);
    const parts = [this.#count(), ...this.#running.values()];
    if (left !== undefined) parts.push(`${formatSeconds(left)} left`);
    this.#io.err(`${this.#clear()}${parts.join('  ')}${this.#io.isTerminal ? '' : '\n'}`);
  }

  #count(): string {
    return `${this.#ended.size}/${this.#plan.jobs.length} ended`;
  }

  #clear(): string {
    return this.#io.isTerminal ? '\r\u001b[2K' : '';
  }

  /** Steps to come at the pace so far; unknown until a run of each phase was seen. */
  #secondsLeft(now: number): number | undefined {
    const full = this.#stepsOf.get('fine-tune');
    const diff = this.#stepsOf.get('diff');
    if (full === undefined || diff === undefined) return undefined;
    const ofDiffs = this.#stepsOfDiff.map((steps, place) => (this.#ended.has(place) ? 0 : diff - steps));
    const ofFull = Math.max(0, this.#plan.fineTunes * full - this.#done['fine-tune']);
    const steps = ofDiffs.reduce((sum, value) => sum + value, ofFull);
    // The clock started when the first step was done.
    const since = this.#done['fine-tune'] + this.#done.diff - 1;
    return ((now - this.#started) / 1000 / since) * steps;
  }
}
