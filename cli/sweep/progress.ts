import type { StepReport } from '../../src/train/loop.js';
import { type CommonFlags, formatSeconds, type Io } from '../io.js';
import { StatusLine } from '../status-line.js';

/** What a sweep is about to train. */
export interface Plan {
  /** Names of the jobs, by place. */
  readonly jobs: readonly string[];
  /** Full fine-tunes in all. */
  readonly fineTunes: number;
}

/** Shows on stderr how a sweep goes: what runs, what ended, and what is left. */
export class SweepProgress {
  readonly #io: Io;
  readonly #line: StatusLine;
  readonly #plan: Plan;
  /** Steps of each job's diff so far. */
  readonly #stepsOfDiff: number[];
  readonly #ended = new Set<number>();
  /** Steps that a run of a phase takes, once one was seen. */
  readonly #stepsOf = new Map<StepReport['phase'], number>();
  readonly #done = { 'fine-tune': 0, diff: 0 };
  #started = Number.NaN;

  constructor(io: Io, flags: CommonFlags, plan: Plan) {
    this.#io = io;
    this.#line = new StatusLine(io, flags);
    this.#plan = plan;
    this.#stepsOfDiff = plan.jobs.map(() => 0);
  }

  /** Takes the report of a step that serves the jobs at some places. */
  step({ phase, done: step, total: steps }: StepReport, places: readonly number[]): void {
    if (Number.isNaN(this.#started)) this.#started = this.#io.now();
    this.#done[phase]++;
    this.#stepsOf.set(phase, steps);
    const [first] = places as [number];
    if (phase === 'diff') this.#stepsOfDiff[first] = step;
    const others = places.length > 1 ? ` and ${places.length - 1} more` : '';
    const name = `${this.#plan.jobs[first]}${others} ${phase}`;
    this.#line.step(`${phase} ${first}`, { name, done: step, total: steps }, (running) =>
      this.#write(running),
    );
  }

  /** Says how a job ended. */
  end(place: number, how: string): void {
    this.#ended.add(place);
    this.#line.end([`fine-tune ${place}`, `diff ${place}`]);
    this.#line.say(`${this.#count()}  ${this.#plan.jobs[place]}: ${how}`);
  }

  /** Leaves the terminal's line to others. */
  finish(): void {
    this.#line.finish();
  }

  #write(running: readonly string[]): string[] {
    const left = this.#secondsLeft(this.#io.now());
    return [this.#count(), ...running, ...(left === undefined ? [] : [`${formatSeconds(left)} left`])];
  }

  #count(): string {
    return `${this.#ended.size}/${this.#plan.jobs.length} ended`;
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
