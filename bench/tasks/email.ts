import { loadMailData } from '../../examples/mail-folders/data.js';
import { createMailModel } from '../../examples/mail-folders/model.js';
import { BASE_TRAINING, FINE_TUNING } from '../../examples/mail-folders/training.js';
import type { BenchTask } from './task.js';

/** Share of the mails in a short run. */
const QUICK_SHARE = 0.3;

/** Folders that mails belong to: later mail an update. */
export const email: BenchTask = {
  name: 'email',
  title: 'folders of e-mail, transformer',
  async load({ seed, data, quick, signal, onProgress }) {
    if (data !== undefined) throw new RangeError('Cannot load email: it comes from a package, not a folder');
    const { labels, stages, adds } = await loadMailData({
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
      createModel: (modelSeed) => createMailModel(labels.length, modelSeed),
    };
  },
};
