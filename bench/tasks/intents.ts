import { loadIntentData } from '../../examples/intents/data.js';
import { createIntentModel } from '../../examples/intents/model.js';
import { BASE_TRAINING, FINE_TUNING } from '../../examples/intents/training.js';
import type { BenchTask } from './task.js';

/** Share of the sentences in a short run. */
const QUICK_SHARE = 0.25;

/** Requests in words: services and a manner of writing an update. */
export const intents: BenchTask = {
  name: 'intents',
  title: 'intents of requests, GRU',
  async load({ seed, data, quick, signal, onProgress }) {
    if (data !== undefined)
      throw new RangeError('Cannot load intents: they come from a package, not a folder');
    const { labels, stages, adds } = await loadIntentData({
      seed,
      share: quick ? QUICK_SHARE : 1,
      ...(signal && { signal }),
    });
    const last = stages.at(-1);
    const count = last === undefined ? 0 : last.train.count + last.validation.count + last.test.count;
    onProgress?.(count, count);
    return {
      labels,
      classes: labels.length,
      baseTraining: BASE_TRAINING,
      fineTuning: FINE_TUNING,
      stages: stages.map((stage, i) => ({ ...stage, adds: adds[i] as string })),
      createModel: (modelSeed) => createIntentModel(labels.length, modelSeed),
    };
  },
};
