import { loadEmojiData } from '../../examples/emoji-pictures/data.js';
import { createEmojiModel } from '../../examples/emoji-pictures/model.js';
import { BASE_TRAINING, DIFF_EPOCHS, FINE_TUNING } from '../../examples/emoji-pictures/training.js';
import { packageTask } from './package-task.js';

/** What emoji show: a style of drawing an update. */
export const emoji = packageTask({
  name: 'emoji',
  title: 'emoji in pictures, MobileNet',
  baseTraining: BASE_TRAINING,
  fineTuning: FINE_TUNING,
  diffEpochs: DIFF_EPOCHS,
  refusal: 'Cannot load emoji: they come',
  quickShare: 0.3,
  loadData: loadEmojiData,
  create: createEmojiModel,
});
