import type * as tf from '@tensorflow/tfjs';
import { NeuralDiffError } from '../../../model/errors.js';
import { borrowInOrder } from '../../../train/data.js';
import type { Configuration } from '../space.js';
import { activationScore } from './activation-score.js';
import { createNetwork } from './create-network.js';
import { findByTrials } from './multi-shot.js';
import {
  createWithin,
  describe,
  type ModeResult,
  type NetworkMode,
  type NetworkSearch,
  type NetworkTrial,
  type TimedNetwork,
} from './search.js';
import { deriveConfiguration, type Supernet, trainSupernet } from './supernet.js';
import { networkTask } from './train-network.js';
import { type TrainedNetwork, trainNetworks } from './trainers.js';

/** Examples by which untrained networks are scored. */
const SCORED_EXAMPLES = 64;

/** How often widths are derived from the gates of a supernet, when a network takes longer than predicted. */
const DERIVATIONS = 6;

/** Share by which each derivation lowers the limit. */
const LOWER = 0.05;

/** Looks for a network in one of the modes. */
export function findNetwork(mode: NetworkMode, search: NetworkSearch): Promise<ModeResult> {
  if (mode === 'multi-shot') return findByTrials(search);
  if (mode === 'single-shot') return findBySupernet(search);
  return findByScore(search);
}

/** Scores all configurations without training, and trains the best one that is within the limit. */
async function findByScore(search: NetworkSearch): Promise<ModeResult> {
  const trials = await scoreAll(search);
  for (const trial of [...trials].sort((a, b) => (b.score as number) - (a.score as number))) {
    const timed = await createWithin(search, trial.configuration);
    if (timed === undefined) continue;
    return finish(search, timed, { trial, trials, epochs: 0 });
  }
  throw noneWithin(search);
}

async function scoreAll(search: NetworkSearch): Promise<NetworkTrial[]> {
  const { use, pool, training } = search;
  const trials: NetworkTrial[] = [];
  for (const configuration of pool) {
    training.signal?.throwIfAborted();
    const { model } = createNetwork(use, configuration, { seed: training.seed });
    try {
      const score = await scoreOf(model, search);
      const trial = { ...describe(search, configuration), epochs: 0, score };
      search.onTrial?.(trial);
      trials.push(trial);
    } finally {
      model.dispose();
    }
  }
  return trials;
}

async function scoreOf(model: tf.LayersModel, { training }: NetworkSearch): Promise<number> {
  const task = await networkTask(model, training);
  for await (const { xs } of borrowInOrder(training.data.train, task, SCORED_EXAMPLES))
    return activationScore(model, xs);
  throw new NeuralDiffError('bad-data', 'Cannot score networks: expected examples, got none');
}

/** Trains one supernet, and then the network that its open gates describe. */
async function findBySupernet(search: NetworkSearch): Promise<ModeResult> {
  const { latency, training, limit } = search;
  const epochs = training.epochs;
  const { net } = await trainSupernet(search, latency, { limit, epochs });
  try {
    await search.times.keep();
    const { timed, configuration } = await deriveWithin(search, net);
    const trial = { ...describe(search, configuration), epochs: 0 };
    return await finish(search, timed, { trial, trials: [trial], epochs });
  } finally {
    net.model.dispose();
  }
}

/** A derived network may take longer than the table predicts: then widths are derived for less. */
async function deriveWithin(
  search: NetworkSearch,
  net: Supernet,
): Promise<{ timed: TimedNetwork; configuration: Configuration }> {
  const { latency, limit, isSmall } = search;
  for (let tries = 0; tries < DERIVATIONS; tries++) {
    const lower = limit * (1 - LOWER * tries);
    const configuration = await deriveConfiguration(net, latency, { limit: lower, isSmall });
    if (configuration === undefined) throw tooWide(search);
    const timed = await createWithin(search, configuration);
    if (timed) return { timed, configuration };
  }
  throw noneWithin(search);
}

/** What is known before the found network is trained. */
interface Unfinished {
  readonly trial: NetworkTrial;
  readonly trials: readonly NetworkTrial[];
  readonly epochs: number;
}

/** Trains the found network with all epochs. */
async function finish(
  search: NetworkSearch,
  { model: untrained, share, measuredMs }: TimedNetwork,
  { trial, trials, epochs }: Unfinished,
): Promise<ModeResult> {
  untrained.dispose();
  const { training, onTrial } = search;
  const job = { configuration: trial.configuration, epochs: training.epochs };
  const [trained] = (await trainNetworks(search, [job])) as [TrainedNetwork];
  if ('error' in trained) throw trained.error;
  const { model, metrics } = trained;
  const found = { ...trial, epochs: training.epochs, measuredMs, metrics, share };
  onTrial?.(found);
  return { model, found, trials: [...trials, found], epochs: epochs + training.epochs, learnt: [] };
}

/** The smallest widths may be too wide for the branches that the gates have chosen. */
function tooWide({ limit }: NetworkSearch): NeuralDiffError {
  const message = `Cannot find a network: the branches that the gates chose are above a limit with the smallest widths, expected inference within ${limit.toPrecision(3)} ms and all limits of size; use another mode, or exclude branches with rules`;
  return new NeuralDiffError('budget-impossible', message, { facts: { limit } });
}

/** @returns the error of a search in which all networks took longer than predicted */
export function noneWithin({ limit, pool }: Pick<NetworkSearch, 'limit' | 'pool'>): NeuralDiffError {
  const message = `Cannot find a network: expected inference within ${limit.toPrecision(3)} ms, those predicted to be (${pool.length}) took longer when they were measured as a whole`;
  return new NeuralDiffError('budget-impossible', message, { facts: { limit } });
}
