import type * as tf from '@tensorflow/tfjs';
import { NeuralDiffError } from '../../../model/errors.js';
import type { Metrics } from '../../../train/task.js';
import { chooseMetric } from '../../search/prepare.js';
import { compareTrials, type Goal, isWithin, type PlannedTrial, type Trial } from '../goal.js';
import { nextTrials, type TuneState } from '../plan.js';
import type { Configuration } from '../space.js';
import { createNetwork } from './create-network.js';
import { describe, type ModeResult, type NetworkSearch, type NetworkTrial, timeNetwork } from './search.js';
import { trainAndMeasure } from './train-network.js';

/** Fewest epochs of a short trial. */
const LEAST_EPOCHS = 2;

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
  const { space, pool, limit, most, training, latency } = search;
  const goal: Goal = { minimise: 'error', limits: { milliseconds: limit } };
  const factsOf = (of: Configuration): number[] => {
    const { milliseconds, multiplyAdds, weights } = latency.costOf(of);
    return [milliseconds, Math.log(multiplyAdds), Math.log(weights)];
  };
  const trials: Trial[] = [];
  const shared = { space, goal, known: [], seed: training.seed, most, candidates: pool, factsOf };
  const state: TuneState = { ...shared, trials };
  const networks: NetworkTrial[] = [];
  let [best, epochs]: [EndedTrial | undefined, number] = [undefined, 0];
  for (let round = await nextTrials(state); round.length > 0; round = await nextTrials(state)) {
    for (const planned of round) {
      const ended = await runTrial(search, planned);
      trials.push(ended.trial);
      networks.push(ended.network);
      epochs += ended.network.epochs;
      search.onTrial?.(ended.network);
      best = betterOf(best, ended, goal);
    }
  }
  if (best?.model === undefined) throw failureOf(search);
  const found = { ...best.network, share: best.network.share as number };
  return { model: best.model, found, trials: networks, epochs };
}

/** Keeps the better one of two whole trials within the limits, and disposes of the other's network. */
function betterOf(best: EndedTrial | undefined, ended: EndedTrial, goal: Goal): EndedTrial | undefined {
  const isCandidate = ended.model !== undefined && isWithin(ended.trial, goal);
  const isBetter = isCandidate && (best === undefined || compareTrials(ended.trial, best.trial, goal) < 0);
  (isBetter ? best : ended)?.model?.dispose();
  return isBetter ? ended : best;
}

async function runTrial(search: NetworkSearch, planned: PlannedTrial): Promise<EndedTrial> {
  const { use, training } = search;
  const { configuration, fidelity } = planned;
  const epochs =
    fidelity === 1 ? training.epochs : Math.max(LEAST_EPOCHS, Math.round(fidelity * training.epochs));
  const known = { ...describe(search, configuration), epochs };
  const { model } = createNetwork(use, configuration, { seed: training.seed });
  try {
    const metrics = await trainAndMeasure(model, training, { epochs });
    if (fidelity === 1) {
      const { share, measuredMs } = await timeNetwork(search, model);
      const measured = measuresOf(metrics, measuredMs);
      return { trial: { ...planned, measured }, network: { ...known, measuredMs, metrics, share }, model };
    }
    model.dispose();
    const measured = measuresOf(metrics, known.predictedMs);
    return { trial: { ...planned, measured }, network: { ...known, metrics } };
  } catch (error) {
    model.dispose();
    if (!(error instanceof NeuralDiffError) || error.code !== 'training-diverged') throw error;
    return { trial: { ...planned, measured: undefined }, network: known };
  }
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
