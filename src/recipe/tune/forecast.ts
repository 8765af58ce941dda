import type { Estimate, Estimator, Samples } from './estimator.js';
import { fitForest, momentsOf } from './estimator.js';
import type { Goal, Measured, PlannedTrial, Trial } from './goal.js';
import { compareTrials } from './goal.js';
import { type Configuration, featuresOf, keyOf, type Space } from './space.js';

/** Trials of an earlier task, of the same space. */
export type KnownTask = readonly Trial[];

/** What forecasts are made from. */
export interface Experience {
  readonly space: Space;
  readonly goal: Goal;
  readonly trials: readonly Trial[];
  readonly known: readonly KnownTask[];
  readonly seed: number;
  /** What else is known of a configuration before it is tried; of each the same number of numbers. */
  readonly factsOf?: ((configuration: Configuration) => readonly number[]) | undefined;
}

/** Shift and scale of one measure in one task, so that tasks can be compared. */
interface Units {
  readonly anchor: number;
  readonly spread: number;
}

/** Trials below which a task's own spread is not known. */
const ENOUGH = 6;

/** Forecasts of one measure. */
interface MeasureForecast {
  readonly estimate: Estimator;
  readonly units: Units;
}

/** Fits a forecast; undefined while there is too little to learn from. */
export type FitForecast = () => Promise<Forecast | undefined>;

/** Forecasts what configurations would measure, by random forests over all trials so far. */
export class Forecast {
  readonly #experience: Experience;
  readonly #measures: ReadonlyMap<string, MeasureForecast>;

  private constructor(experience: Experience, measures: ReadonlyMap<string, MeasureForecast>) {
    this.#experience = experience;
    this.#measures = measures;
  }

  /** @returns undefined while there is too little to learn from */
  static async fit(experience: Experience): Promise<Forecast | undefined> {
    const { goal, trials, known } = experience;
    if (trials.length + known.flat().length < 4) return undefined;
    const measured = trials.flatMap((trial) => Object.keys(trial.measured ?? {}));
    const names = new Set([goal.minimise, ...Object.keys(goal.limits), ...measured]);
    const measures = new Map<string, MeasureForecast>();
    for (const name of names) {
      const fitted = await fitMeasure(name, experience);
      if (fitted) measures.set(name, fitted);
    }
    return measures.has(goal.minimise) ? new Forecast(experience, measures) : undefined;
  }

  /** @returns what fits when it is first asked, and then always says the same: fits take seconds */
  static once(experience: Experience): FitForecast {
    let fitted: Promise<Forecast | undefined> | undefined;
    return () => {
      fitted ??= Forecast.fit(experience);
      return fitted;
    };
  }

  /** What is forecast. */
  get measures(): string[] {
    return [...this.#measures.keys()];
  }

  /** @returns what each configuration would measure, in the measure's own unit */
  predict(name: string, planned: readonly PlannedTrial[]): Estimate[] {
    const found = this.#measures.get(name);
    if (found === undefined) return planned.map(() => ({ mean: Number.NaN, deviation: 0 }));
    const { anchor, spread } = found.units;
    return found
      .estimate(planned.map((each) => rowOf(this.#experience, each)))
      .map(({ mean, deviation }) => ({ mean: anchor + spread * mean, deviation: spread * deviation }));
  }

  /**
   * @returns for each configuration the improvement that is to be expected over the best trial of this task,
   *   times the probability of each limit
   *
   * Source: D. R. Jones et al., "Efficient global optimization of expensive black-box functions" (1998);
   * with limits: M. Schonlau et al., "Global versus local search in constrained optimization" (1998).
   */
  scores(planned: readonly PlannedTrial[]): number[] {
    const { goal, trials } = this.#experience;
    const values = this.predict(goal.minimise, planned);
    const best = bestOf(trials, goal) ?? Math.min(...values.map(({ mean }) => mean));
    const scores = values.map((each) => expectedImprovement(each, best));
    for (const [name, most] of Object.entries(goal.limits)) {
      if (!this.#measures.has(name)) continue;
      this.predict(name, planned).forEach((each, i) => {
        scores[i] = (scores[i] as number) * probabilityBelow(each, most);
      });
    }
    return scores;
  }
}

async function fitMeasure(name: string, experience: Experience): Promise<MeasureForecast | undefined> {
  const { trials, known, seed } = experience;
  const spreads = known.map((task) => spreadOf(task, name)).filter((spread) => spread !== undefined);
  const usual = spreads.length > 0 ? momentsOf(spreads).mean : 1;
  const units = unitsOf(trials, { name, usual });
  const own = samplesOf(experience, trials, { name, units });
  const others = known.map((task) =>
    samplesOf(experience, task, { name, units: unitsOf(task, { name, usual }) }),
  );
  const features = others.flatMap((task) => task.features);
  const values = others.flatMap((task) => task.values);
  if (own.values.length + values.length < 2) return undefined;
  return { estimate: await fitForest(own, seed, { features, values }), units };
}

function samplesOf(
  experience: Experience,
  trials: readonly Trial[],
  { name, units }: { name: string; units: Units },
): Samples {
  const features: number[][] = [];
  const values: number[] = [];
  for (const trial of trials) {
    const value = trial.measured?.[name];
    if (value === undefined || !Number.isFinite(value)) continue;
    features.push(rowOf(experience, trial));
    values.push((value - units.anchor) / units.spread);
  }
  return { features, values };
}

/** A task's values count from those of its first trial, the default, in units of their spread. */
function unitsOf(trials: readonly Trial[], { name, usual }: { name: string; usual: number }): Units {
  const anchor = valuesOf(trials, name)[0] ?? 0;
  const spread = trials.length >= ENOUGH ? spreadOf(trials, name) : undefined;
  return { anchor, spread: spread ?? usual };
}

function spreadOf(trials: readonly Trial[], name: string): number | undefined {
  const values = valuesOf(trials, name);
  if (values.length < 2) return undefined;
  const { deviation } = momentsOf(values);
  return deviation > 0 ? deviation : undefined;
}

function valuesOf(trials: readonly Trial[], name: string): number[] {
  return trials
    .map(({ measured }: { measured: Measured | undefined }) => measured?.[name])
    .filter((value): value is number => value !== undefined && Number.isFinite(value));
}

function rowOf(
  { space, factsOf }: Pick<Experience, 'space' | 'factsOf'>,
  { configuration, fidelity }: PlannedTrial,
): number[] {
  return [...featuresOf(space, configuration), fidelity, ...(factsOf?.(configuration) ?? [])];
}

function bestOf(trials: readonly Trial[], goal: Goal): number | undefined {
  const [best] = [...trials]
    .filter(({ fidelity }) => fidelity === 1)
    .sort((a, b) => compareTrials(a, b, goal));
  return best?.measured?.[goal.minimise];
}

function expectedImprovement({ mean, deviation }: Estimate, best: number): number {
  const sd = Math.max(deviation, 1e-9);
  const z = (best - mean) / sd;
  return sd * (z * normalCdf(z) + Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI));
}

function probabilityBelow({ mean, deviation }: Estimate, most: number): number {
  if (deviation < 1e-9) return mean <= most ? 1 : 0.01;
  return Math.max(normalCdf((most - mean) / deviation), 0.01);
}

/** Source: the logistic approximation of Bowling et al. (2009), within 0.0002. */
function normalCdf(z: number): number {
  return 1 / (1 + Math.exp(-0.07056 * z ** 3 - 1.5976 * z));
}

/** @returns the trials without those of a configuration and fidelity that were tried */
export function untried(planned: readonly PlannedTrial[], trials: readonly Trial[]): PlannedTrial[] {
  const nameOf = ({ configuration, fidelity }: PlannedTrial): string => `${keyOf(configuration)} ${fidelity}`;
  const tried = new Set(trials.map(nameOf));
  return planned.filter((each) => !tried.has(nameOf(each)));
}
