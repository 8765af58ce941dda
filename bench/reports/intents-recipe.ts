import { DIFF_EPOCHS, FINE_TUNING } from '../../examples/intents/training.js';
import { recipeOf } from './recipe.js';

export const { data, loss, metrics, options } = recipeOf('intents', {
  ...FINE_TUNING,
  diffEpochs: DIFF_EPOCHS,
});
