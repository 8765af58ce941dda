import { NeuralDiffError } from '../../model/errors.js';
import type { TrainedDiff } from '../../train/train-diff.js';
import type { StepReport } from '../../train/training-options.js';
import type { TrainingJob } from '../job.js';
import type { RecipeOptions } from '../options.js';
import { chooseMetric, gapOf, isShare, type Metric } from '../search/prepare.js';
import type { Outcome } from '../sweep/train-many.js';
import type { Trainer } from '../sweep/trainer.js';
import { type FitForecast, Forecast, type KnownTask } from './forecast.js';
import { compareTrials, type Goal, type Measured, type PlannedTrial, pickBest, type Trial } from './goal.js';
import { jobOf } from './payload-space.js';
import { nextTrials, type TuneState } from './plan.js';
import { rankCorrelation } from './rank.js';
import type { Space } from './space.js';

/** What a payload is tuned for. */
export interface PayloadLimits {
  /** Most bytes of a payload; the budget of a trial is this, or a share of it. */
  readonly mostBytes: number;
  /** Largest gap to the full fine-tune: then the smallest payload is looked for, else the smallest gap. */
  readonly maxGap?: number | undefined;
  readonly maxApplyMilliseconds?: number | undefined;
  /** Most memory that applying takes, besides the model. */
  readonly maxMemoryBytes?: number | undefined;
}

/** What to tune. */
export interface PayloadSearch {
  /** What all trials share. */
  readonly job: Omit<TrainingJob, 'kind' | 'budget'> & { readonly seed: number };
  /** Options of the recipe. */
  readonly recipe: RecipeOptions;
  readonly space: Space;
  readonly limits: PayloadLimits;
  readonly metric: Metric | undefined;
  /** Whole trials that may be spent; a short one counts as its share of the epochs. */
  readonly trials: number;
  /** Trials of earlier searches of the same space. */
  readonly known: readonly KnownTask[];
}

/** A trial of a payload that has ended. */
export interface PayloadTrial extends Trial {
  /** What the forests expected before it was trained, by measure. */
  readonly expected: Measured | undefined;
  /** Undefined if it failed. */
  readonly diff?: Omit<TrainedDiff, 'model' | 'payload' | 'epochs'>;
  readonly error?: Error;
}

/** How trials are trained, measured and kept. */
export interface TuneContext {
  readonly train: Trainer;
  /** Keeps the payload of a trial, and applies it to a copy of the model, as devices do. */
  measureApply(
    planned: PlannedTrial,
    payload: Uint8Array,
  ): Promise<{ readonly milliseconds: number; readonly memoryBytes: number }>;
  /** @returns a trial that an earlier run kept */
  find(planned: PlannedTrial): Promise<PayloadTrial | undefined>;
  /** Keeps a trial that has ended. */
  keep(trial: PayloadTrial): Promise<void>;
  onStep(report: StepReport, served: readonly PlannedTrial[]): void;
  /** @param metric by which trials are compared; undefined before one has made a payload */
  onTrial(trial: PayloadTrial, metric: Metric | undefined): void;
}

/** What a search came to. */
export interface TuneResult {
  readonly goal: Goal;
  readonly metric: Metric;
  /** In the order in which they were planned. */
  readonly trials: readonly PayloadTrial[];
  /** Undefined if no whole trial is within the limits. */
  readonly best: PayloadTrial | undefined;
  /** Within so much of the smallest gap, the best is that with the smallest loss; 0 if gaps alone count. */
  readonly error: number;
  /** The whole trial that is nearest to the limits. */
  readonly nearest: PayloadTrial | undefined;
  /** Spearman's rank correlation of what was expected with what was measured, by measure. */
  readonly correlations: Readonly<Record<string, number | undefined>>;
}

/** Errors of a trial after which other trials may still succeed. */
const TRIAL_FAILURES: readonly string[] = ['budget-impossible', 'training-diverged'];

/** @returns what the limits ask for, in terms of what is measured */
export function goalOf(limits: PayloadLimits): Goal {
  const { mostBytes, maxGap, maxApplyMilliseconds, maxMemoryBytes } = limits;
  const all = {
    bytes: mostBytes,
    gap: maxGap,
    applyMilliseconds: maxApplyMilliseconds,
    memoryBytes: maxMemoryBytes,
  };
  const given = Object.entries(all).filter((entry): entry is [string, number] => entry[1] !== undefined);
  return { minimise: maxGap === undefined ? 'gap' : 'bytes', limits: Object.fromEntries(given) };
}

/**
 * Searches for the configuration of a payload that meets the limits best: trials that ended decide what is
 * tried next (`nextTrials`). The result depends on neither how many trials run at once nor where they run.
 *
 * @throws NeuralDiffError those of training, `missing-package`; the signal's reason
 */
export async function tunePayload(search: PayloadSearch, context: TuneContext): Promise<TuneResult> {
  return new Tuner(search, context).run();
}

class Tuner {
  readonly #search: PayloadSearch;
  readonly #context: TuneContext;
  readonly #goal: Goal;
  readonly #trials: PayloadTrial[] = [];
  #metric: Metric | undefined;

  constructor(search: PayloadSearch, context: TuneContext) {
    this.#search = search;
    this.#context = context;
    this.#goal = goalOf(search.limits);
  }

  async run(): Promise<TuneResult> {
    for (;;) {
      const state = this.#state;
      const fitForecast = Forecast.once(state);
      const round = await nextTrials(state, fitForecast);
      if (round.length === 0) break;
      const expected = await expectOf(round, fitForecast);
      this.#trials.push(...(await this.#runRound(round, expected)));
    }
    const goal = this.#goal;
    const whole = this.#trials.filter(({ fidelity, diff }) => fidelity === 1 && diff !== undefined);
    if (this.#metric === undefined || whole.length === 0) throw this.#failure();
    const [nearest] = whole.sort((a, b) => compareTrials(a, b, goal));
    const error = this.#errorOf(nearest as PayloadTrial);
    const best = pickBest(this.#trials, goal, error);
    const correlations = correlationsOf(this.#trials);
    return { goal, metric: this.#metric, trials: this.#trials, best, error, nearest, correlations };
  }

  get #state(): TuneState {
    const { space, trials: most, known, job } = this.#search;
    return { space, goal: this.#goal, trials: this.#trials, known, most, seed: job.seed };
  }

  /** @returns the round's trials in its order, whichever ended first */
  async #runRound(
    round: readonly PlannedTrial[],
    expected: readonly (Measured | undefined)[],
  ): Promise<PayloadTrial[]> {
    const ended: PayloadTrial[] = [];
    for (const [place, planned] of round.entries()) {
      const kept = await this.#context.find(planned);
      if (kept === undefined) continue;
      ended[place] = { ...kept, expected: expected[place] };
      if (kept.diff) this.#metric ??= chooseMetric(this.#search.metric, kept.diff.metrics.diff);
      this.#context.onTrial(ended[place], this.#metric);
    }
    const places = [...round.keys()].filter((place) => ended[place] === undefined);
    const at = (i: number): PlannedTrial => round[places[i] as number] as PlannedTrial;
    const { job, recipe, limits } = this.#search;
    const jobs = places.map((_, i) => jobOf(at(i), { job, recipe, mostBytes: limits.mostBytes }));
    if (jobs.length === 0) return ended;
    await this.#context.train(jobs, {
      // So that a missing metric is reported before the first diff is trained.
      onFineTune: (metrics) => {
        if (metrics) this.#metric ??= chooseMetric(this.#search.metric, metrics);
      },
      onStep: (report, served) => this.#context.onStep(report, served.map(at)),
      onOutcome: async (outcome, i) => {
        const place = places[i] as number;
        ended[place] = await this.#end({ ...at(i), expected: expected[place] }, outcome);
      },
    });
    return ended;
  }

  async #end(
    planned: PlannedTrial & Pick<PayloadTrial, 'expected'>,
    outcome: Outcome,
  ): Promise<PayloadTrial> {
    const trial =
      outcome.status === 'trained'
        ? await this.#measure(planned, outcome.diff)
        : failedTrial(planned, outcome.error);
    await this.#context.keep(trial);
    this.#context.onTrial(trial, this.#metric);
    return trial;
  }

  async #measure(
    planned: PlannedTrial & Pick<PayloadTrial, 'expected'>,
    { payload, epochs: _epochs, ...diff }: Omit<TrainedDiff, 'model'>,
  ): Promise<PayloadTrial> {
    this.#metric ??= chooseMetric(this.#search.metric, diff.metrics.diff);
    const { milliseconds, memoryBytes } = await this.#context.measureApply(planned, payload);
    const measured = {
      gap: gapOf(this.#metric, diff.metrics),
      loss: diff.metrics.diff.loss ?? 0,
      bytes: payload.length,
      applyMilliseconds: milliseconds,
      memoryBytes,
    };
    return { ...planned, measured, diff };
  }

  /** @returns the standard error of a trial's gap, if that is what is minimised, and a share of examples */
  #errorOf({ diff }: PayloadTrial): number {
    const { name } = this.#metric as Metric;
    const examples = diff?.validationExamples ?? 0;
    if (this.#goal.minimise !== 'gap' || !isShare(name) || examples === 0) return 0;
    const share = diff?.metrics.diff[name] ?? 0;
    return Math.sqrt((share * (1 - share)) / examples);
  }

  #failure(): Error {
    const error = this.#trials.find((trial) => trial.error)?.error;
    return error ?? new NeuralDiffError('training-diverged', 'Cannot tune: no trial has made a payload');
  }
}

/** @returns what the forests expect of a round; nothing while they have little to learn from */
async function expectOf(
  round: readonly PlannedTrial[],
  fitForecast: FitForecast,
): Promise<(Measured | undefined)[]> {
  const forecast = await fitForecast();
  if (forecast === undefined) return round.map(() => undefined);
  const expected: Record<string, number>[] = round.map(() => ({}));
  for (const name of forecast.measures) {
    for (const [i, { mean }] of forecast.predict(name, round).entries())
      (expected[i] as Record<string, number>)[name] = mean;
  }
  return expected;
}

/** @throws an error after which other trials would fail, too */
function failedTrial(planned: PlannedTrial & Pick<PayloadTrial, 'expected'>, error: Error): PayloadTrial {
  if (!(error instanceof NeuralDiffError && TRIAL_FAILURES.includes(error.code))) throw error;
  return { ...planned, measured: undefined, error };
}

/** How well what was expected orders what was measured; trials that the forests had not seen. */
function correlationsOf(trials: readonly PayloadTrial[]): Record<string, number | undefined> {
  const names = new Set(trials.flatMap(({ expected }) => Object.keys(expected ?? {})));
  return Object.fromEntries(
    [...names].map((name) => {
      const pairs = trials.flatMap(({ expected, measured }): [number, number][] => {
        const [guess, value] = [expected?.[name], measured?.[name]];
        return guess === undefined || value === undefined ? [] : [[guess, value]];
      });
      return [name, rankCorrelation(pairs)];
    }),
  );
}
