import type * as tf from '@tensorflow/tfjs';
import type { Metrics } from '../../../train/task.js';
import type { Configuration, Space } from '../space.js';
import { createNetwork, type NetworkUse } from './create-network.js';
import type { Latency } from './latency.js';
import { timeModels } from './time-models.js';
import type { NetworkTraining } from './train-network.js';

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
  /** Without training. */
  readonly score?: number | undefined;
  /** On the validation set; absent if it was not trained, or training failed. */
  readonly metrics?: Metrics | undefined;
}

/** What a search begins with. */
export interface SearchSetup {
  readonly use: NetworkUse;
  readonly space: Space;
  readonly training: NetworkTraining;
  /** What the found network is compared with. */
  readonly reference: tf.LayersModel;
  /** Networks that train at once, in threads if they are several. */
  readonly workers: number;
  readonly backend: 'wasm' | 'cpu';
}

/** A search with its limit. */
export interface NetworkSearch extends SearchSetup {
  readonly latency: Latency;
  /** Configurations that the table predicts to be within the limit. */
  readonly pool: readonly Configuration[];
  /** Milliseconds. */
  readonly limit: number;
  /** What the reference takes, in milliseconds. */
  readonly referenceMs: number;
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
}

/** @returns what is known of a configuration before it is trained */
export function describe(
  { latency }: Pick<NetworkSearch, 'latency'>,
  configuration: Configuration,
): Pick<NetworkTrial, 'configuration' | 'predictedMs' | 'multiplyAdds' | 'weights'> {
  const { milliseconds, multiplyAdds, weights } = latency.costOf(configuration);
  return { configuration, predictedMs: milliseconds, multiplyAdds, weights };
}

/** A network, untrained or trained, that was measured in turns with the reference. */
export interface TimedNetwork {
  readonly model: tf.LayersModel;
  /** Of the time of the reference. */
  readonly share: number;
  readonly measuredMs: number;
}

/** Measures a network in turns with the reference, so that what slows the machine down slows both. */
export async function timeNetwork(
  { reference, referenceMs }: Pick<NetworkSearch, 'reference' | 'referenceMs'>,
  model: tf.LayersModel,
): Promise<TimedNetwork> {
  const { shares } = await timeModels([reference, model]);
  const share = shares[1] as number;
  return { model, share, measuredMs: share * referenceMs };
}

/** @returns the untrained network of a configuration, timed; undefined if it is above the limit */
export async function createWithin(
  search: NetworkSearch,
  configuration: Configuration,
): Promise<TimedNetwork | undefined> {
  const { model } = createNetwork(search.use, configuration, { seed: search.training.seed });
  const timed = await timeNetwork(search, model);
  if (timed.measuredMs <= search.limit) return timed;
  model.dispose();
  return undefined;
}
