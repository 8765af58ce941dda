import * as tf from '@tensorflow/tfjs';
import type { StageSets } from '../../examples/streaming-keywords/data.js';
import { createStreamModel } from '../../examples/streaming-keywords/model.js';
import {
  createStreamTask,
  PRICES,
  routeLayerOf,
  type StreamArrays,
  setWeights,
  TRAINED_TEMPERATURE,
  toStreamArrays,
} from '../../examples/streaming-keywords/training.js';
import { type FineTuned, fineTune } from '../../src/train/fine-tune.js';
import { weightsOfModel } from '../../src/train/session.js';
import { TRAINERS } from '../common/trainers.js';
import { evaluateStreams } from './evaluate.js';
import type { UpdateResult } from './result.js';
import { networkOf, type TrainSettings, type Weights } from './train-variant.js';
import type { Variant } from './variants.js';

/** What an update is for, and which weights it may change. */
interface Purpose {
  readonly name: string;
  /** Stage whose streams teach it. */
  readonly stage: number;
  /** Of the streams, in frames. */
  readonly loads?: readonly number[];
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
  { name: 'slower device, arbitrator', stage: 0, loads: [3], only: ['arbitrator/*'], budgets: ['0.2%'] },
];

const EPOCHS = { full: 5, diff: 6 };
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
  setWeights(model, weights);
  const sets = stages[purpose.stage] as StageSets;
  const { loads = [0.5, 0.8, 1.3, 2] } = purpose;
  const arrays: StreamArrays = toStreamArrays(model, sets.train, { loads });
  const task = createStreamTask(model, PRICES.latency);
  const layer = routeLayerOf(model);
  const setTemperature = (temperature: number): void => {
    if (layer) layer.temperature = temperature;
  };
  const evaluate = (next: Weights) => {
    setWeights(model, next);
    setTemperature(0);
    const threads = evaluateStreams(model, network, { sets, limit: 0, loads: purpose.loads });
    setWeights(model, weights);
    return threads;
  };
  const say = (method: string, kind: string, next: Weights, bytes: number): UpdateResult => {
    tell(`${purpose.name}, ${method}`);
    return { purpose: purpose.name, method, kind, bytes, threads: evaluate(next) };
  };
  const results = [say('base', 'base', weights, 0)];
  setTemperature(TRAINED_TEMPERATURE);
  const common = {
    task,
    train: arrays,
    batchSize: BATCH_SIZE,
    seed,
    ...(purpose.only && { only: purpose.only }),
  };
  const epochs = quick ? { full: 1, diff: 1 } : EPOCHS;
  const full: FineTuned = await fineTune({ ...common, epochs: epochs.full, learningRate: 0.001 });
  results.push(say('full fine-tune', 'full', full.weights, 4 * sizeOf(full.weights)));
  for (const kind of ['hash', 'sparse'] as const) {
    for (const budget of quick ? purpose.budgets.slice(0, 1) : purpose.budgets) {
      setTemperature(TRAINED_TEMPERATURE);
      const diff = await TRAINERS[kind]({ ...common, epochs: epochs.diff, fullFineTune: full, budget });
      const next = weightsOfModel(diff.model, new Set(weights.keys()));
      results.push(say(`${kind} ${budget}`, kind, next, diff.payload.length));
    }
  }
  tf.dispose(Object.values(arrays).flat());
  model.dispose();
  return results;
}

function sizeOf(weights: Weights): number {
  return [...weights.values()].reduce((sum, { length }) => sum + length, 0);
}
