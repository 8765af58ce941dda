import { loadEmojiData } from '../../examples/emoji-pictures/data.js';
import { createEmojiModel } from '../../examples/emoji-pictures/model.js';
import { BASE_TRAINING, FINE_TUNING } from '../../examples/emoji-pictures/training.js';
import type { BenchTask } from './task.js';

/** Share of the emoji in a short run. */
const QUICK_SHARE = 0.3;

/** What emoji show: a style of drawing an update. */
export const emoji: BenchTask = {
  name: 'emoji',
  title: 'emoji in pictures, MobileNet',
  async load({ seed, data, quick, signal, onProgress }) {
    if (data !== undefined) throw new RangeError('Cannot load emoji: they come from a package, not a folder');
    const { labels, stages, adds } = await loadEmojiData({
      seed,
      share: quick ? QUICK_SHARE : 1,
      ...(signal && { signal }),
    });
    onProgress?.(1, 1);
    return {
      labels,
      classes: labels.length,
      baseTraining: BASE_TRAINING,
      fineTuning: FINE_TUNING,
      stages: stages.map((stage, i) => ({ ...stage, adds: adds[i] as string })),
      createModel: (modelSeed) => createEmojiModel(labels.length, modelSeed),
    };
  },
};
