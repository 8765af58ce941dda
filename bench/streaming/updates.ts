import * as tf from '@tensorflow/tfjs';
import type { FrameSet, StageSets } from '../../examples/streaming-keywords/data.js';
import { createStreamModel } from '../../examples/streaming-keywords/model.js';
import type { RouteLayer } from '../../examples/streaming-keywords/route-layer.js';
import {
  createStreamTask,
  PRICES,
  routeLayerOf,
  setWeights,
  TRAINED_LOADS,
  TRAINED_TEMPERATURE,
  toStreamArrays,
} from '../../examples/streaming-keywords/training.js';
import { type FineTuneOptions, fineTune } from '../../src/train/fine-tune.js';
import { weightsOfModel } from '../../src/train/session.js';
import { TRAINERS } from '../common/trainers.js';
import { evaluateStreams, ownLoad } from './evaluate.js';
import type { UpdateResult } from './result.js';
import { fitToThread } from './slower-device.js';
import { networkOf, type TrainSettings, type Weights } from './train-variant.js';
import type { Variant } from './variants.js';

/** What an update is for, and which weights it may change. */
interface Purpose {
  readonly name: string;
  /** Stage whose streams teach it. */
  readonly stage: number;
  /** Of a thread that is slower than those in training, as in `LOADS`. */
  readonly load?: number;
  readonly only?: readonly string[];
  readonly budgets: readonly string[];
}

const BUDGETS = ['0.2%', '0.5%', '1%'];

const PURPOSES: readonly Purpose[] = [
  { name: 'new words and accent, whole', stage: 1, budgets: BUDGETS },
  {
    name: 'new words and accent, fast branch and words',
    stage: 1,
    only: ['fast/*', 'words/*'],
    budgets: BUDGETS,
  },
  { name: 'slower device, arbitrator', stage: 0, load: 7, only: ['arbitrator/*'], budgets: ['0.2%'] },
];

const EPOCHS = { full: 6, diff: 24 };
const QUICK_EPOCHS = { full: 1, diff: 1 };
const BATCH_SIZE = 8;

type Settings = TrainSettings & {
  readonly stages: readonly StageSets[];
  readonly tell: (text: string) => void;
};

/** Trains and measures updates of a routed recogniser: full fine-tunes of all that may change, and diffs. */
export async function measureUpdates(
  variant: Variant,
  weights: Weights,
  settings: Settings,
): Promise<UpdateResult[]> {
  const results: UpdateResult[] = [];
  for (const purpose of PURPOSES)
    results.push(...(await measurePurpose(variant, weights, { ...settings, purpose })));
  return results;
}

async function measurePurpose(
  variant: Variant,
  weights: Weights,
  { purpose, stages, seed, quick, tell }: Settings & { readonly purpose: Purpose },
): Promise<UpdateResult[]> {
  const network = networkOf(variant, seed);
  const model = createStreamModel(network);
  const layer = routeLayerOf(model) as RouteLayer;
  const sets = stages[purpose.stage] as StageSets;
  const { name, load, only, budgets } = purpose;
  const loads = load === undefined ? TRAINED_LOADS : [ownLoad(network, load)];
  const arrays = toStreamArrays(model, someOf(sets.train), { loads });
  const measured = ({ method, bytes }: Trained, next: Weights): UpdateResult => {
    setWeights(model, next);
    layer.temperature = 0;
    const threads = evaluateStreams(model, network, { sets, limit: 0, ...(load && { loads: [load] }) });
    tell(`${name}: ${method}`);
    // What trains next starts from the base.
    setWeights(model, weights);
    layer.temperature = TRAINED_TEMPERATURE;
    return { purpose: name, method, bytes, threads };
  };
  const results = [measured({ method: 'base', bytes: 0 }, weights)];
  const task = createStreamTask(model, PRICES.latency);
  const common = { task, train: arrays, batchSize: BATCH_SIZE, seed, ...(only && { only }) };
  for await (const { next, ...trained } of trainUpdates(common, { budgets, quick }))
    results.push(measured(trained, next));
  if (load !== undefined) {
    layer.temperature = 0;
    const fitted = await fitToThread(model, network, { sets, load });
    results.push({ purpose: name, method: 'threshold alone', ...fitted });
  }
  tf.dispose(Object.values(arrays).flat());
  model.dispose();
  return results;
}

/** What was trained, and its bytes. */
interface Trained {
  readonly method: string;
  readonly bytes: number;
}

/** Trains the full fine-tune of an update, then diffs of it. */
async function* trainUpdates(
  common: Omit<FineTuneOptions, 'epochs'>,
  { budgets, quick }: { readonly budgets: readonly string[]; readonly quick: boolean },
): AsyncGenerator<Trained & { readonly next: Weights }> {
  const epochs = quick ? QUICK_EPOCHS : EPOCHS;
  const full = await fineTune({ ...common, epochs: epochs.full, learningRate: 0.001 });
  yield { method: 'full fine-tune', bytes: 4 * sizeOf(full.weights), next: full.weights };
  const names = new Set(full.weights.keys());
  for (const kind of ['hash', 'sparse'] as const) {
    for (const budget of quick ? budgets.slice(0, 1) : budgets) {
      const diff = await TRAINERS[kind]({ ...common, epochs: epochs.diff, fullFineTune: full, budget });
      const next = weightsOfModel(diff.model, names);
      yield { method: `${kind} ${budget}`, bytes: diff.payload.length, next };
    }
  }
}

/** @returns the first half of the streams: enough for an update, in half of the time */
function someOf(set: FrameSet): FrameSet {
  const streams = Math.ceil(set.streams / 2);
  const part = <T extends Float32Array | Int32Array>(values: T): T =>
    values.subarray(0, (values.length / set.streams) * streams) as T;
  const { frames, labels, energies, spoken } = set;
  return {
    streams,
    frames: part(frames),
    labels: part(labels),
    energies: part(energies),
    spoken: spoken.slice(0, streams),
  };
}

function sizeOf(weights: Weights): number {
  return [...weights.values()].reduce((sum, { length }) => sum + length, 0);
}
