import { COUNTS, loadGarmentData } from '../../examples/garment-images/data.js';
import { createGarmentModel } from '../../examples/garment-images/model.js';
import { BASE_TRAINING, DIFF_EPOCHS, FINE_TUNING } from '../../examples/garment-images/training.js';
import type { BenchTask } from './task.js';

const QUICK_COUNTS = {
  train: { straight: 140, other: 50 },
  validation: { straight: 40, other: 16 },
  test: { straight: 80, other: 24 },
};

/** Pictures of garments: a class and a camera an update. */
export const garments: BenchTask = {
  name: 'garments',
  title: 'garments in pictures, CNN',
  async load({ seed, data, quick, signal, onProgress }) {
    const { labels, stages, adds } = await loadGarmentData({
      seed,
      counts: quick ? QUICK_COUNTS : COUNTS,
      ...(data !== undefined && { folder: data }),
      ...(signal && { signal }),
      ...(onProgress && { onProgress }),
    });
    return {
      labels,
      classes: labels.length,
      baseTraining: BASE_TRAINING,
      fineTuning: FINE_TUNING,
      diffEpochs: DIFF_EPOCHS,
      stages: stages.map((stage, i) => ({ ...stage, adds: adds[i] as string })),
      createModel: (modelSeed) => createGarmentModel(labels.length, modelSeed),
    };
  },
};
