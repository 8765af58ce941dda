import type * as tf from '@tensorflow/tfjs';
import type { Metrics } from '../../../train/task.js';
import type { KnownTask } from '../forecast.js';
import type { Configuration, Space } from '../space.js';
import { createNetwork, type NetworkUse } from './create-network.js';
import type { Latency } from './latency.js';
import type { NetworkCost } from './layer-costs.js';
import { timeModels } from './time-models.js';
import type { SearchTimes } from './times.js';
import type { NetworkTraining } from './train-network.js';
import type { TrialProduct, TrialRequest } from './worker.js';

/** How a network is looked for. */
export const NETWORK_MODES = ['multi-shot', 'single-shot', 'zero-shot'] as const;

export type NetworkMode = (typeof NETWORK_MODES)[number];

/** A configuration that was looked at. */
export interface NetworkTrial {
  readonly configuration: Configuration;
  /** Epochs that it was trained; 0 if it was only scored. */
  readonly epochs: number;
  /** Sum over the table of layers, and measured as a whole. */
  readonly predictedMs: number;
  readonly measuredMs?: number | undefined;
  readonly multiplyAdds: number;
  readonly weights: number;
  /** Of weights, and of inputs and outputs of the layer that has most, as float32. */
  readonly memoryBytes: number;
  /** Without training. */
  readonly score?: number | undefined;
  /** On the validation set; absent if it was not trained, or training failed. */
  readonly metrics?: Metrics | undefined;
}

/**
 * Trains networks here, in threads or on other machines: all give the same weights.
 *
 * @param onEnd called, and awaited, when a training has ended, with its place among the requests
 * @throws the reason of the signal that stops it; what `onEnd` throws
 */
export type TrialRunner = (
  requests: readonly TrialRequest[],
  onEnd: (ended: TrialProduct | Error, place: number) => Promise<void>,
) => Promise<void>;

/** What a search begins with. */
export interface SearchSetup {
  readonly use: NetworkUse;
  readonly space: Space;
  readonly training: NetworkTraining;
  /** What the found network is compared with. */
  readonly reference: tf.LayersModel;
  /** Trains networks from scratch. */
  readonly runner: TrialRunner;
  readonly backend: 'wasm' | 'cpu';
}

/** A search with its limit. */
export interface NetworkSearch extends SearchSetup {
  readonly latency: Latency;
  /** Whether a network is within the limits of its size. */
  readonly isSmall: (cost: NetworkCost) => boolean;
  /** Configurations that the table predicts to be within all limits. */
  readonly pool: readonly Configuration[];
  /** Milliseconds. */
  readonly limit: number;
  readonly times: SearchTimes;
  /** Trials of earlier searches in the same space. */
  readonly known: readonly KnownTask[];
  /** Whole trainings that may be spent on trials. */
  readonly most: number;
  readonly onTrial?: ((trial: NetworkTrial) => void) | undefined;
}

/** What a mode found. */
export interface ModeResult {
  /** Trained. */
  readonly model: tf.LayersModel;
  readonly found: NetworkTrial & { readonly share: number };
  readonly trials: readonly NetworkTrial[];
  /** Epochs that were trained in all. */
  readonly epochs: number;
  /** What later searches can learn from. */
  readonly learnt: KnownTask;
}

/** @returns what is known of a configuration before it is trained */
export function describe(
  { latency }: Pick<NetworkSearch, 'latency'>,
  configuration: Configuration,
): Omit<NetworkTrial, 'epochs'> {
  const { milliseconds: predictedMs, ...cost } = latency.costOf(configuration);
  return { configuration, predictedMs, ...cost };
}

/** A network, untrained or trained, that was measured in turns with the reference. */
export interface TimedNetwork {
  readonly model: tf.LayersModel;
  /** Of the time of the reference. */
  readonly share: number;
  readonly measuredMs: number;
}

/**
 * Measures a network in turns with the reference, so that what slows the machine down slows both; a network
 * that an earlier run has measured is not measured again.
 */
export async function timeNetwork(
  { reference, times }: Pick<NetworkSearch, 'reference' | 'times'>,
  model: tf.LayersModel,
  configuration: Configuration,
): Promise<TimedNetwork> {
  const share = await times.shareOf(configuration, async () => {
    const { shares } = await timeModels([reference, model]);
    return shares[1] as number;
  });
  return { model, share, measuredMs: share * times.referenceMs };
}

/** @returns the untrained network of a configuration, timed; undefined if it is above the limit */
export async function createWithin(
  search: NetworkSearch,
  configuration: Configuration,
): Promise<TimedNetwork | undefined> {
  const { model } = createNetwork(search.use, configuration, { seed: search.training.seed });
  const timed = await timeNetwork(search, model, configuration);
  if (timed.measuredMs <= search.limit) return timed;
  model.dispose();
  return undefined;
}
