import type * as tf from '@tensorflow/tfjs';
import { NeuralDiffError } from '../../../model/errors.js';
import type { Metrics } from '../../../train/task.js';
import { chooseMetric } from '../../search/prepare.js';
import { compareTrials, type Goal, isWithin, type PlannedTrial, type Trial } from '../goal.js';
import { nextTrials, type TuneState } from '../plan.js';
import { type Configuration, isOf } from '../space.js';
import { describe, type ModeResult, type NetworkSearch, type NetworkTrial, timeNetwork } from './search.js';
import { type NetworkJob, type TrainedNetwork, trainNetworks } from './trainers.js';

/** Fewest epochs of a short trial. */
const LEAST_EPOCHS = 2;

/** Share of the limit above which networks are candidates, if there are several for each whole trial. */
const NEAR = 0.85;
const CANDIDATES_PER_TRIAL = 4;

/** A trial as both the plan and the document have it, with its network if that has all epochs. */
interface EndedTrial {
  readonly trial: Trial;
  readonly network: NetworkTrial & { readonly share?: number };
  readonly model?: tf.LayersModel | undefined;
}

/**
 * Trains candidates from scratch: short trials first, the best of which get all epochs; what comes next is
 * forecast from configurations, predicted times, multiplications and weights.
 */
export async function findByTrials(search: NetworkSearch): Promise<ModeResult> {
  const { space, limit, most, training, latency } = search;
  const goal: Goal = { minimise: 'error', limits: { milliseconds: limit } };
  const known = search.known.map((task) => task.filter(({ configuration }) => isOf(space, configuration)));
  await latency.measure(known.flat().map(({ configuration }) => configuration));
  await search.times.keep();
  const factsOf = (of: Configuration): number[] => {
    const { milliseconds, multiplyAdds, weights } = latency.costOf(of);
    return [milliseconds, Math.log(multiplyAdds), Math.log(weights)];
  };
  const trials: Trial[] = [];
  // All candidates are predicted to be within the limit: forecasts of their time would favour small ones.
  const fixed = { space, goal: { ...goal, limits: {} }, known, seed: training.seed, most };
  const state: TuneState = { ...fixed, candidates: candidatesOf(search), factsOf, trials };
  const networks: NetworkTrial[] = [];
  let [best, epochs]: [EndedTrial | undefined, number] = [undefined, 0];
  for (let round = await nextTrials(state); round.length > 0; round = await nextTrials(state)) {
    const trained = await trainNetworks(
      search,
      round.map((planned) => jobOf(planned, training)),
    );
    // Times are measured while nothing trains.
    for (const [i, planned] of round.entries()) {
      const ended = await endTrial(search, planned, trained[i] as TrainedNetwork);
      trials.push(ended.trial);
      networks.push(ended.network);
      epochs += ended.network.epochs;
      search.onTrial?.(ended.network);
      best = betterOf(best, ended, goal);
    }
  }
  if (best?.model === undefined) throw failureOf(search);
  const found = { ...best.network, share: best.network.share as number };
  return { model: best.model, found, trials: networks, epochs, learnt: trials };
}

/** @returns the configurations that are not far below the limit, of which most is to be expected */
function candidatesOf({ pool, latency, limit, most }: NetworkSearch): readonly Configuration[] {
  const near = pool.filter((each) => latency.costOf(each).milliseconds >= NEAR * limit);
  return near.length >= CANDIDATES_PER_TRIAL * most ? near : pool;
}

/** Keeps the better one of two whole trials within the limits, and disposes of the other's network. */
function betterOf(best: EndedTrial | undefined, ended: EndedTrial, goal: Goal): EndedTrial | undefined {
  const isCandidate = ended.model !== undefined && isWithin(ended.trial, goal);
  const isBetter = isCandidate && (best === undefined || compareTrials(ended.trial, best.trial, goal) < 0);
  (isBetter ? best : ended)?.model?.dispose();
  return isBetter ? ended : best;
}

function jobOf(
  { configuration, fidelity }: PlannedTrial,
  { epochs }: { readonly epochs: number },
): NetworkJob {
  const short = Math.max(LEAST_EPOCHS, Math.round(fidelity * epochs));
  return { configuration, epochs: fidelity === 1 ? epochs : Math.min(short, epochs) };
}

/** Measures a network that has all epochs; of others, and of those that failed, the prediction is kept. */
async function endTrial(
  search: NetworkSearch,
  planned: PlannedTrial,
  trained: TrainedNetwork,
): Promise<EndedTrial> {
  const { epochs } = jobOf(planned, search.training);
  const known = { ...describe(search, planned.configuration), epochs };
  if ('error' in trained) {
    const { error } = trained;
    if (!(error instanceof NeuralDiffError) || error.code !== 'training-diverged') throw error;
    return { trial: { ...planned, measured: undefined }, network: known };
  }
  const { model, metrics } = trained;
  if (planned.fidelity < 1) {
    model.dispose();
    const measured = measuresOf(metrics, known.predictedMs);
    return { trial: { ...planned, measured }, network: { ...known, metrics } };
  }
  const { share, measuredMs } = await timeNetwork(search, model, planned.configuration);
  const measured = measuresOf(metrics, measuredMs);
  return { trial: { ...planned, measured }, network: { ...known, measuredMs, metrics, share }, model };
}

function measuresOf(metrics: Metrics, milliseconds: number): Readonly<Record<string, number>> {
  const { name, better } = chooseMetric(undefined, metrics);
  const value = metrics[name] as number;
  const { loss = 0 } = metrics;
  return { error: better === 'higher' ? -value : value, loss, milliseconds };
}

function failureOf({ limit, most }: NetworkSearch): NeuralDiffError {
  const message = `Cannot find a network: expected inference within ${limit.toPrecision(3)} ms, none of ${most} whole trials was within it when measured as a whole`;
  return new NeuralDiffError('budget-impossible', message, { facts: { limit } });
}
