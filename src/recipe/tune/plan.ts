import { createRandom, type Random } from '../../train/random.js';
import { type Experience, type FitForecast, Forecast, untried } from './forecast.js';
import { compareTrials, type PlannedTrial, type Trial } from './goal.js';
import {
  type Configuration,
  defaultOf,
  isOf,
  keyOf,
  listAll,
  neighbours,
  type Space,
  sample,
} from './space.js';

/** What a plan is made from: trials in the order in which they were planned. */
export interface TuneState extends Experience {
  /** Whole trials that may be spent; a short one counts as its share of the epochs. */
  readonly most: number;
  /** The only configurations to choose from; by default all of the space. */
  readonly candidates?: readonly Configuration[] | undefined;
}

/** Share of the epochs of a short trial. */
export const SHORT = 0.25;

/** Short trials of a round, and how many of them then get all epochs. */
const ROUND = { short: 8, whole: 2 };

/** Configurations of earlier tasks that are tried in full, after the defaults. */
const RECALLED = 3;

/** Configurations among which to look where not all can be listed. */
const CANDIDATES = 600;

/** One of so many proposals is drawn at random, whatever the forecasts say. */
const RANDOM_EVERY = 4;

/**
 * Plans the next round. The plan depends on the trials so far alone, so that a search can be stopped and go
 * on, and does not depend on how many trials run at once.
 *
 * The defaults come first, one for each value of the first choice, with all epochs: what would be taken
 * without a search. Where earlier tasks are known, some follow that were tried there in full, those first of
 * which the forecasts expect most. Then rounds: short trials of what the forecasts expect most of (at random
 * while there is nothing to forecast from), and the best of all short trials with all epochs: successive
 * halving.
 *
 * Source: L. Li et al., "Hyperband" (2018), for halving; F. Hutter et al., "Sequential model-based
 * optimization for general algorithm configuration" (2011), for forests and interleaved random trials;
 * M. Feurer et al., "Initializing Bayesian hyperparameter optimization via meta-learning" (2015), for
 * configurations of earlier tasks.
 *
 * @param fitForecast fits the forecast of this state, if it is needed; for callers who need it, too
 * @returns the next round; empty when the trials are spent, or nothing is left to try
 */
export async function nextTrials(
  state: TuneState,
  fitForecast: FitForecast = Forecast.once(state),
): Promise<PlannedTrial[]> {
  const { space, trials, most, candidates } = state;
  const known = candidates && new Set(candidates.map(keyOf));
  const first = firstTrials(space).filter(({ configuration }) => known?.has(keyOf(configuration)) ?? true);
  if (trials.length === 0 && first.length > 0) return first.slice(0, Math.max(1, Math.floor(most)));
  const left = most - spent(trials);
  if (left < 1) return [];
  if (trials.length === first.length) {
    const recalled = await recall(state, { fitForecast, count: Math.min(RECALLED, Math.floor(left)) });
    if (recalled.length > 0) return recalled;
  }
  if (isShortRound(trials.slice(first.length))) {
    const promoted = promote(state, Math.min(ROUND.whole, Math.floor(left)));
    if (promoted.length > 0) return promoted;
  }
  if (left < 1 + ROUND.whole) return propose(state, { fitForecast, count: Math.floor(left), fidelity: 1 });
  const count = Math.min(ROUND.short, Math.floor((left - ROUND.whole) / SHORT));
  const round = await propose(state, { fitForecast, count, fidelity: SHORT });
  return round.length > 0 ? round : promote(state, Math.floor(left));
}

/** @returns the defaults that a search begins with */
export function firstTrials(space: Space): PlannedTrial[] {
  const [first] = space.choices;
  const values = first?.values ?? [];
  return values.map((value) => {
    const only = space.choices.map((choice) => (choice === first ? { ...choice, values: [value] } : choice));
    return { configuration: defaultOf({ choices: only }), fidelity: 1 };
  });
}

/** @returns how many whole trials were spent */
export function spent(trials: readonly PlannedTrial[]): number {
  return trials.reduce((sum, { fidelity }) => sum + fidelity, 0);
}

/** @returns whether the last trials are short ones */
function isShortRound(trials: readonly Trial[]): boolean {
  const last = trials[trials.length - 1];
  return last !== undefined && last.fidelity < 1;
}

/** @returns the best short trials that did not have all epochs yet */
function promote({ trials, goal }: TuneState, count: number): PlannedTrial[] {
  const short = trials.filter(({ fidelity, measured }) => fidelity < 1 && measured !== undefined);
  const ranked = [...short].sort((a, b) => compareTrials(a, b, goal));
  const whole = ranked.map(({ configuration }) => ({ configuration, fidelity: 1 }));
  return untried(whole, trials).slice(0, count);
}

/** @returns whole trials of earlier tasks, those first of which most is expected in this one */
async function recall(
  state: TuneState,
  { fitForecast, count }: { fitForecast: FitForecast; count: number },
): Promise<PlannedTrial[]> {
  const { space, known } = state;
  const candidates = state.candidates && new Set(state.candidates.map(keyOf));
  const found = new Map<string, Configuration>();
  for (const { configuration, fidelity, measured } of known.flat()) {
    if (fidelity < 1 || measured === undefined || !isOf(space, configuration)) continue;
    const key = keyOf(configuration);
    if (candidates?.has(key) ?? true) found.set(key, configuration);
  }
  return propose({ ...state, candidates: [...found.values()] }, { fitForecast, count, fidelity: 1 });
}

/** @returns configurations that were not tried, those first of which most is expected */
async function propose(
  state: TuneState,
  { fitForecast, count, fidelity }: { fitForecast: FitForecast; count: number; fidelity: number },
): Promise<PlannedTrial[]> {
  const { space, trials, goal } = state;
  const random = createRandom((state.seed + 7919 * trials.length) >>> 0);
  const best = [...trials].sort((a, b) => compareTrials(a, b, goal)).slice(0, 5);
  const candidates = state.candidates ?? listCandidates(space, { best, random });
  const seen = new Set(trials.map(({ configuration }) => keyOf(configuration)));
  const fresh = shuffle(
    candidates.filter((each) => !seen.has(keyOf(each))),
    random,
  ).map((configuration) => ({ configuration, fidelity }));
  const forecast = fresh.length === 0 ? undefined : await fitForecast();
  if (forecast === undefined) return fresh.slice(0, count);
  // What a configuration is worth shows with all epochs.
  const scores = forecast.scores(fresh.map((each) => ({ ...each, fidelity: 1 })));
  const ranked = fresh
    .map((planned, i) => ({ planned, score: scores[i] as number }))
    .sort((a, b) => b.score - a.score)
    .map(({ planned }) => planned);
  return spread(ranked, fresh, { count, space });
}

/** Takes the best ones, none of them next to another, and some at random. */
function spread(
  ranked: readonly PlannedTrial[],
  fresh: readonly PlannedTrial[],
  { count, space }: { count: number; space: Space },
): PlannedTrial[] {
  const taken = new Map<string, PlannedTrial>();
  const near = new Set<string>();
  const take = (planned: PlannedTrial | undefined): void => {
    if (planned === undefined) return;
    taken.set(keyOf(planned.configuration), planned);
    for (const each of neighbours(space, planned.configuration)) near.add(keyOf(each));
  };
  const next = (from: readonly PlannedTrial[]): PlannedTrial | undefined => {
    const free = from.filter(({ configuration }) => !taken.has(keyOf(configuration)));
    return free.find(({ configuration }) => !near.has(keyOf(configuration))) ?? free[0];
  };
  for (let i = 0; i < count; i++) take(next(i % RANDOM_EVERY === RANDOM_EVERY - 1 ? fresh : ranked));
  return [...taken.values()];
}

function listCandidates(
  space: Space,
  { best, random }: { best: readonly Trial[]; random: Random },
): Configuration[] {
  const all = listAll(space, CANDIDATES);
  if (all) return all;
  const near = best.flatMap(({ configuration }) => neighbours(space, configuration));
  const drawn = Array.from({ length: CANDIDATES }, () => sample(space, random));
  return [...new Map([...near, ...drawn].map((each) => [keyOf(each), each])).values()];
}

function shuffle<T>(items: readonly T[], random: Random): T[] {
  const order = items.map((item) => ({ item, place: random() }));
  return order.sort((a, b) => a.place - b.place).map(({ item }) => item);
}
