import type { PlannedTry } from '../src/recipe/search/plan.js';
import type { Metric } from '../src/recipe/search/prepare.js';
import type { Try } from '../src/recipe/search/search-diff.js';
import type { PlannedTrial } from '../src/recipe/tune/goal.js';
import type { PayloadTrial } from '../src/recipe/tune/tune-payload.js';
import type { StepReport } from '../src/train/training-options.js';
import { formatBytes, formatSeconds, type Io } from './io.js';
import { type ProgressFlags, ProgressLine } from './progress.js';
import { describeTry } from './tries.js';
import { describePlanned, describeTrial } from './tune-words.js';

/** Shows training runs that go side by side in one line: a head, what runs, and a tail. */
class RunningJobs {
  readonly #line: ProgressLine<StepReport>;
  /** What runs, in words, by a key of the caller's. */
  readonly #running = new Map<string, string>();

  constructor(io: Io, flags: ProgressFlags, frame: { head(): string; tail(): string | undefined }) {
    this.#line = new ProgressLine<StepReport>(io, flags, {
      describe: (_, { width }) => this.#describe(frame.head(), frame.tail() ?? [], width),
      isDue: (_, before) => before === undefined,
    });
  }

  /** Takes the report of a job: `name` on a line, `job` for programs. */
  step(report: StepReport, { key, name, job }: { key: string; name: string; job: string }): void {
    const { done, total } = report;
    if (done === total) this.#running.delete(key);
    else this.#running.set(key, `${name} ${done}/${total}`);
    this.#line.reportOf(job, report);
  }

  /** Counts the jobs that a narrow line has no place for. */
  #describe(head: string, tail: string | readonly string[], width: number): string {
    const running = [...this.#running.values()];
    const lineWith = (shown: number): string => {
      const others = shown < running.length ? [`+${running.length - shown}`] : [];
      return [head, ...running.slice(0, shown), ...others, tail].flat().join('  ');
    };
    let shown = running.length;
    while (shown > 0 && lineWith(shown).length > width) shown--;
    return lineWith(shown);
  }

  /** Prints how some jobs ended. */
  end(keys: readonly string[], text: string): void {
    for (const key of keys) this.#running.delete(key);
    this.#line.say(text);
  }

  finish(): void {
    this.#line.finish();
  }
}

/** What a sweep is about to train. */
export interface SweepPlan {
  /** Names of the jobs, by index. */
  readonly jobs: readonly string[];
  /** Full fine-tunes in all. */
  readonly fineTunes: number;
}

/** Shows how a sweep goes: what runs, what has ended, and how long the rest takes. */
export class SweepProgress {
  readonly #io: Io;
  readonly #jobs: RunningJobs;
  readonly #plan: SweepPlan;
  /** Steps of each job's diff so far. */
  readonly #stepsOfDiff: number[];
  readonly #ended = new Set<number>();
  /** Steps that a run of a phase takes, once one was seen. */
  readonly #stepsOf = new Map<StepReport['phase'], number>();
  readonly #done = { 'fine-tune': 0, diff: 0 };
  /** What each run has reported last: those of a farm do not report every step. */
  readonly #doneOf = new Map<string, number>();
  /** What was done when the clock was started. */
  #doneAtStart = 0;
  #started = Number.NaN;

  constructor(io: Io, flags: ProgressFlags, plan: SweepPlan) {
    this.#io = io;
    this.#plan = plan;
    this.#stepsOfDiff = plan.jobs.map(() => 0);
    this.#jobs = new RunningJobs(io, flags, {
      head: () => this.#count(),
      tail: () => this.#timeLeft(),
    });
  }

  /** Takes the report of a step that serves the jobs at some indices. */
  step(report: StepReport, served: readonly number[]): void {
    const { phase, done, total } = report;
    const [first = 0] = served;
    const key = `${phase} ${first}`;
    this.#done[phase] += Math.max(0, done - (this.#doneOf.get(key) ?? 0));
    this.#doneOf.set(key, done);
    this.#stepsOf.set(phase, total);
    if (Number.isNaN(this.#started)) {
      this.#started = this.#io.now();
      this.#doneAtStart = done;
    }
    if (phase === 'diff') this.#stepsOfDiff[first] = done;
    const others = served.length > 1 ? ` and ${served.length - 1} more` : '';
    const job = `${this.#plan.jobs[first]}${others}`;
    this.#jobs.step(report, { key, name: `${job} ${phase}`, job });
  }

  /** Prints how a job ended. */
  end(index: number, how: string): void {
    this.#ended.add(index);
    const keys = [`fine-tune ${index}`, `diff ${index}`];
    this.#jobs.end(keys, `${this.#count()}  ${this.#plan.jobs[index]}: ${how}`);
  }

  /** Leaves the terminal's line to others. */
  finish(): void {
    this.#jobs.finish();
  }

  #count(): string {
    return `${this.#ended.size}/${this.#plan.jobs.length} ended`;
  }

  /** Time for the steps to come at the pace so far; unknown until a run of each phase was seen. */
  #timeLeft(): string | undefined {
    const full = this.#stepsOf.get('fine-tune');
    const diff = this.#stepsOf.get('diff');
    if (full === undefined || diff === undefined) return undefined;
    const ofDiffs = this.#stepsOfDiff.map((steps, index) => (this.#ended.has(index) ? 0 : diff - steps));
    const ofFull = Math.max(0, this.#plan.fineTunes * full - this.#done['fine-tune']);
    const steps = ofDiffs.reduce((sum, value) => sum + value, ofFull);
    if (steps === 0) return undefined;
    const since = this.#done['fine-tune'] + this.#done.diff - this.#doneAtStart;
    if (since === 0) return undefined;
    return `${formatSeconds(((this.#io.now() - this.#started) / 1000 / since) * steps)} left`;
  }
}

/** Shows how tuning goes. */
export class TuneProgress {
  readonly #io: Io;
  readonly #jobs: RunningJobs;
  readonly #most: number;
  readonly #started: number;
  #spent = 0;

  /** @param limits whole trials that may be spent */
  constructor(io: Io, flags: ProgressFlags, limits: { most: number }) {
    this.#io = io;
    this.#most = limits.most;
    this.#started = io.now();
    this.#jobs = new RunningJobs(io, flags, { head: () => this.#head(), tail: () => undefined });
  }

  /** Takes the report of a step that serves some trials. */
  step(report: StepReport, [first]: readonly PlannedTrial[]): void {
    const name = report.phase === 'diff' && first ? describePlanned(first) : 'full fine-tune';
    this.#jobs.step(report, { key: name, name, job: name });
  }

  /** Takes a trial that has ended. */
  end(trial: PayloadTrial, metric: Metric | undefined): void {
    this.#spent += trial.fidelity;
    const name = describePlanned(trial);
    this.#jobs.end([name], `${this.#head()}  ${name}: ${describeTrial(trial, metric)}`);
  }

  /** Leaves the terminal's line to others. */
  finish(): void {
    this.#jobs.finish();
  }

  #head(): string {
    const seconds = formatSeconds((this.#io.now() - this.#started) / 1000);
    return `${this.#spent} of ${this.#most} trials, ${seconds}`;
  }
}

/** Shows how a search goes, and keeps its tries in the order in which they were planned. */
export class SearchProgress {
  readonly #io: Io;
  readonly #jobs: RunningJobs;
  readonly #most: number;
  readonly #started: number;
  readonly #planned: string[] = [];
  readonly #ended = new Map<string, Try>();
  #metric: Metric | undefined;

  /** @param limits most tries that there may be */
  constructor(io: Io, flags: ProgressFlags, limits: { most: number }) {
    this.#io = io;
    this.#most = limits.most;
    this.#started = io.now();
    this.#jobs = new RunningJobs(io, flags, { head: () => this.#count(), tail: () => this.#time() });
  }

  /** Those that have ended, in the order in which they were planned. */
  get tries(): Try[] {
    return this.#planned.flatMap((name) => this.#ended.get(name) ?? []);
  }

  /** What tries are compared by; undefined before one has ended. */
  get metric(): Metric | undefined {
    return this.#metric;
  }

  /** Takes what is tried next. */
  plan(round: readonly PlannedTry[]): void {
    this.#planned.push(...round.map(nameOf));
  }

  /** Takes the report of a step that serves some tries. */
  step(report: StepReport, [first]: readonly PlannedTry[]): void {
    const name = report.phase === 'diff' && first ? nameOf(first) : 'full fine-tune';
    this.#jobs.step(report, { key: name, name, job: name });
  }

  /** Takes a try that has ended. */
  end(ended: Try, metric: Metric): void {
    this.#metric = metric;
    const name = nameOf(ended);
    this.#ended.set(name, ended);
    const how = `${describeTry(ended, metric)}${ended.isKept ? ' (kept)' : ''}`;
    this.#jobs.end([name], `${this.#count()}  ${name}: ${how}  ${this.#time()}`);
  }

  /** Leaves the terminal's line to others. */
  finish(): void {
    this.#jobs.finish();
  }

  #count(): string {
    return `${this.#ended.size} of at most ${this.#most}`;
  }

  #time(): string {
    return `${formatSeconds((this.#io.now() - this.#started) / 1000)} so far`;
  }
}

function nameOf({ kind, budgetBytes }: PlannedTry): string {
  return `${kind} ${formatBytes(budgetBytes)}`;
}
