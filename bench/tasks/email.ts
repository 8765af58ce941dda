import { loadMailData } from '../../examples/mail-folders/data.js';
import { createMailModel } from '../../examples/mail-folders/model.js';
import { BASE_TRAINING, DIFF_EPOCHS, FINE_TUNING } from '../../examples/mail-folders/training.js';
import { packageTask } from './package-task.js';

/** Folders that mail belongs to: later mail an update. */
export const email = packageTask({
  name: 'email',
  title: 'folders of mail, transformer',
  baseTraining: BASE_TRAINING,
  fineTuning: FINE_TUNING,
  diffEpochs: DIFF_EPOCHS,
  refusal: 'Cannot load mail: it comes',
  quickShare: 0.3,
  loadData: loadMailData,
  create: createMailModel,
});
