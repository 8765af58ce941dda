import type { PlannedTry } from '../../src/recipe/search/plan.js';
import type { Metric } from '../../src/recipe/search/prepare.js';
import type { Try } from '../../src/recipe/search/search-diff.js';
import type { StepReport } from '../../src/train/loop.js';
import { type CommonFlags, formatBytes, formatSeconds, type Io } from '../io.js';
import { StatusLine } from '../status-line.js';
import { describeTry } from './tries.js';

/** Shows on stderr how a search goes, and remembers its tries in the order in which they were planned. */
export class SearchProgress {
  readonly #io: Io;
  readonly #line: StatusLine;
  readonly #most: number;
  readonly #started: number;
  readonly #planned: string[] = [];
  #metric: Metric | undefined;
  readonly #ended = new Map<string, Try>();

  /** @param world where to show it, and most tries that there may be */
  constructor({ io, most }: { io: Io; most: number }, flags: CommonFlags) {
    this.#io = io;
    this.#line = new StatusLine(io, flags);
    this.#most = most;
    this.#started = io.now();
  }

  /** Those that have ended, in the order in which they were planned. */
  get tries(): Try[] {
    return this.#planned.flatMap((name) => this.#ended.get(name) ?? []);
  }

  /** What tries are compared by; nothing before one has ended. */
  get metric(): Metric | undefined {
    return this.#metric;
  }

  /** Takes what is tried next. */
  plan(round: readonly PlannedTry[]): void {
    this.#planned.push(...round.map(nameOf));
  }

  /** Takes the report of a step that serves some tries. */
  step({ phase, done: step, total: steps }: StepReport, served: readonly PlannedTry[]): void {
    const key = phase === 'diff' ? nameOf(served[0] as PlannedTry) : phase;
    const name = phase === 'diff' ? key : 'full fine-tune';
    this.#line.step(key, { name, done: step, total: steps }, (running) => [
      this.#count(),
      ...running,
      this.#time(),
    ]);
  }

  /** Takes a try that has ended. */
  end(ended: Try, metric: Metric): void {
    this.#metric = metric;
    const name = nameOf(ended);
    this.#ended.set(name, ended);
    this.#line.end([name]);
    this.#line.say(
      `${this.#count()}  ${name}: ${describeTry(ended, metric)}${ended.isKept ? ' (kept)' : ''}  ${this.#time()}`,
    );
  }

  /** Leaves the terminal's line to others. */
  finish(): void {
    this.#line.finish();
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
