import { NeuralDiffError } from '../../model/errors.js';
import type { TrainedDiff } from '../../train/train-diff.js';
import type { StepReport } from '../../train/training-options.js';
import type { DiffKind } from '../options.js';
import type { Outcome, TrainManyOptions } from '../sweep/train-many.js';
import { createThreadTrainer, type Trainer } from '../sweep/trainer.js';
import type { SweptDiff } from '../sweep/worker.js';
import { nearestTry, nextTries, type PlannedTry, pickWinner } from './plan.js';
import {
  chooseMetric,
  gapOf,
  type Metric,
  type PreparedSearch,
  prepareSearch,
  type Search,
} from './prepare.js';

/** A finished try. */
export interface Try {
  readonly kind: DiffKind;
  readonly budgetBytes: number;
  /** Gap to the full fine-tune; infinite if there is no diff. */
  readonly gap: number;
  readonly payloadBytes?: number | undefined;
  /** For an impossible budget: size of the smallest payload. */
  readonly leastBytes?: number | undefined;
  /** Undefined if the try failed. */
  readonly diff?: Pick<TrainedDiff, 'share' | 'base' | 'next' | 'metrics' | 'validationExamples'> & {
    readonly payloadBytes: number;
  };
  readonly error?: Error;
  /** Whether it was found in the store. */
  readonly isKept: boolean;
}

/** The result of a search. */
export interface SearchResult {
  /** What was compared, as the recipe reports it: `accuracy`, `loss`. */
  readonly metric: { readonly name: string; readonly better: 'higher' | 'lower' };
  /** In the order they were planned. */
  readonly tries: readonly Try[];
  /** One of the tries. */
  readonly winner: Try & Required<Pick<Try, 'diff'>>;
  /** Payload of the winner, byte for byte what training its kind with its budget results in. */
  readonly payload: Uint8Array;
}

/** Options of `searchDiff`. */
export interface SearchOptions extends Pick<TrainManyOptions, 'workers' | 'signal'> {
  /** Called before tries are looked up or trained. */
  readonly onRound?: (round: readonly Pick<Try, 'kind' | 'budgetBytes'>[]) => void;
  /** Called after every step, with the tries that it contributes to. */
  readonly onStep?: (report: StepReport, served: readonly Pick<Try, 'kind' | 'budgetBytes'>[]) => void;
  /** Called when a try has finished. An error it throws ends the search. */
  readonly onTry?: (ended: Try, metric: SearchResult['metric']) => void;
}

/** Errors of a try after which other tries may still succeed. */
const TRY_FAILURES: readonly string[] = ['budget-impossible', 'training-diverged'];

/**
 * Trains diffs until the best within a budget, or the smallest within a gap, is found. Diffs are compared on
 * validation data. The full fine-tune is trained once. The result does not depend on the number of workers or
 * on stored tries.
 *
 * @param search plain data; relative paths are resolved against the working directory
 * @throws RangeError for invalid limits; NeuralDiffError `gap-unreachable` if no try is sufficient,
 *   `recipe-invalid` without the metric, `budget-impossible`, those of training; the signal's reason
 *
 * @example
 * const job = { base: 'models/v1', recipe: 'recipe.mjs', seed: 7 };
 * const { winner, payload } = await searchDiff({ job, goal: { budget: '20%' } });
 * console.log(winner.kind, payload.length);
 */
export function searchDiff(search: Search, options: SearchOptions = {}): Promise<SearchResult> {
  return searchInStore(search, createMemoryTries(), options);
}

/**
 * As `searchDiff`; tries are kept in a store and looked for there.
 *
 * @param options `trainer`, what trains them instead of threads; then `workers` and `signal` are its own
 */
export async function searchInStore(
  search: Search,
  store: TryStore,
  options: SearchOptions & { readonly trainer?: Trainer } = {},
): Promise<SearchResult> {
  return new Searcher({ search, store, prepared: await prepareSearch(search) }, options).run();
}

class Searcher {
  readonly #search: Search;
  readonly #prepared: PreparedSearch;
  readonly #options: SearchOptions;
  readonly #store: TryStore;
  readonly #trainer: Trainer;
  readonly #tries: Try[] = [];
  #isFineTuned = false;
  #metric: Metric | undefined;

  constructor(
    { search, prepared, store }: { search: Search; prepared: PreparedSearch; store: TryStore },
    options: SearchOptions & { readonly trainer?: Trainer },
  ) {
    this.#search = search;
    this.#prepared = prepared;
    this.#options = options;
    this.#store = store;
    this.#trainer = options.trainer ?? createThreadTrainer(options);
  }

  async run(): Promise<SearchResult> {
    const { kinds, goal } = this.#prepared;
    for (;;) {
      const round = nextTries({ kinds, goal, ended: this.#tries });
      if (round.length === 0) break;
      this.#options.onRound?.(round);
      this.#tries.push(...(await this.#runRound(round)));
    }
    const winner = pickWinner(goal, this.#tries);
    if (winner?.diff === undefined || this.#metric === undefined) throw this.#failure();
    const payload = await this.#store.payload(winner);
    return { metric: this.#metric, tries: this.#tries, winner: { ...winner, diff: winner.diff }, payload };
  }

  /** @returns the round's tries in its order, independent of which finished first */
  async #runRound(round: readonly PlannedTry<DiffKind>[]): Promise<Try[]> {
    const ended: Try[] = [];
    for (const [place, planned] of round.entries()) {
      const diff = await this.#store.find(planned);
      if (diff) ended[place] = this.#end({ ...planned, diff, isKept: true });
    }
    const places = [...round.keys()].filter((place) => ended[place] === undefined);
    if (places.length > 0) await this.#train(round, { places, ended });
    return ended;
  }

  async #train(
    round: readonly PlannedTry<DiffKind>[],
    { places, ended }: { places: readonly number[]; ended: Try[] },
  ): Promise<void> {
    const at = (i: number) => round[places[i] as number] as PlannedTry<DiffKind>;
    const jobs = places.map((_, i) => ({ ...this.#search.job, kind: at(i).kind, budget: at(i).budgetBytes }));
    const { onStep } = this.#options;
    await this.#trainer(jobs, {
      // A missing metric is reported before the first diff is trained.
      onFineTune: (metrics) => {
        this.#isFineTuned = true;
        if (metrics) this.#metric ??= chooseMetric(this.#prepared.metric, metrics);
      },
      onStep: (report, served) => onStep?.(report, served.map(at)),
      onOutcome: async (outcome, i) => {
        if (outcome.status === 'failed' && !this.#isTryFailure(outcome.error)) throw outcome.error;
        await this.#store.keep(at(i), outcome);
        ended[places[i] as number] = this.#end({ ...at(i), ...factsOf(outcome), isKept: false });
      },
    });
  }

  /** Tells failures of a single try; without a full fine-tune, that is what failed. */
  #isTryFailure(error: Error): boolean {
    return this.#isFineTuned && error instanceof NeuralDiffError && TRY_FAILURES.includes(error.code);
  }

  #end(ended: Omit<Try, 'gap'>): Try {
    const { diff, error } = ended;
    if (diff) this.#metric ??= chooseMetric(this.#prepared.metric, diff.metrics.full);
    const metric = this.#metric as Metric;
    const gap = diff ? gapOf(metric, diff.metrics) : Number.POSITIVE_INFINITY;
    const leastBytes = (error as NeuralDiffError | undefined)?.facts.least as number | undefined;
    const done = { ...ended, gap, payloadBytes: diff?.payloadBytes, leastBytes };
    this.#options.onTry?.(done, metric);
    return done;
  }

  #failure(): Error {
    const { goal } = this.#prepared;
    const nearest = nearestTry(this.#tries);
    if (nearest === undefined || goal.type === 'best') {
      const message = 'Cannot compare diffs: expected metrics to be numbers, got NaN';
      return (
        this.#tries.find(({ error }) => error)?.error ?? new NeuralDiffError('training-diverged', message)
      );
    }
    const { maxGap } = goal;
    const { kind, gap, payloadBytes } = nearest;
    const name = this.#metric?.name;
    const count = `${this.#tries.length} ${this.#tries.length === 1 ? 'try' : 'tries'}`;
    const message = `Cannot come within ${maxGap} of the full fine-tune's ${name}: the nearest of ${count}, ${kind} with ${payloadBytes} bytes, is ${Number(gap.toPrecision(4))} behind`;
    const facts = { metric: name, maxGap, gap, kind, bytes: payloadBytes };
    return new NeuralDiffError('gap-unreachable', message, { facts });
  }
}

function factsOf(outcome: Outcome): Pick<Try, 'diff' | 'error'> {
  return outcome.status === 'failed' ? { error: outcome.error } : { diff: describeDiff(outcome.diff) };
}

/** The facts of a diff, without its payload. */
export type TriedDiff = NonNullable<Try['diff']>;

/** Stores finished tries, so that a search can be interrupted and resumed. */
export interface TryStore {
  /** @returns the facts of a try stored in this or an earlier search; undefined if it must be trained */
  find(planned: PlannedTry<DiffKind>): Promise<TriedDiff | undefined>;
  /** Stores a finished try. */
  keep(planned: PlannedTry<DiffKind>, outcome: Outcome): Promise<void>;
  /** @returns the payload of a try that `find` returns */
  payload(planned: PlannedTry<DiffKind>): Promise<Uint8Array>;
}

/** @returns the facts of a diff, without its payload */
function describeDiff({ payload, ...facts }: SweptDiff): TriedDiff {
  return { payloadBytes: payload.length, ...facts };
}

/** Creates a store of tries in memory. */
export function createMemoryTries(): TryStore {
  const diffs = new Map<string, SweptDiff>();
  const nameOf = ({ kind, budgetBytes }: PlannedTry): string => `${kind} ${budgetBytes}`;
  return {
    async find(planned) {
      const diff = diffs.get(nameOf(planned));
      return diff && describeDiff(diff);
    },
    async keep(planned, outcome) {
      if (outcome.status === 'trained') diffs.set(nameOf(planned), outcome.diff);
    },
    async payload(planned) {
      const diff = diffs.get(nameOf(planned));
      if (diff === undefined)
        throw new RangeError(
          `Cannot read payload: no ${planned.kind} diff of ${planned.budgetBytes} bytes is stored`,
        );
      return diff.payload;
    },
  };
}
