import { loadIntentData } from '../../examples/intents/data.js';
import { createIntentModel } from '../../examples/intents/model.js';
import { BASE_TRAINING, DIFF_EPOCHS, FINE_TUNING } from '../../examples/intents/training.js';
import { packageTask } from './package-task.js';

/** Requests in words: services and a manner of writing an update. */
export const intents = packageTask({
  name: 'intents',
  title: 'intents of requests, GRU',
  baseTraining: BASE_TRAINING,
  fineTuning: FINE_TUNING,
  diffEpochs: DIFF_EPOCHS,
  refusal: 'Cannot load intents: they come',
  quickShare: 0.25,
  loadData: loadIntentData,
  create: createIntentModel,
});
