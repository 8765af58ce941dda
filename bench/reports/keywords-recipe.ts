import { DIFF_EPOCHS, FINE_TUNING } from '../tasks/keywords.js';
import { recipeOf } from './recipe.js';

export const { data, loss, metrics, options } = recipeOf('keywords', {
  ...FINE_TUNING,
  diffEpochs: DIFF_EPOCHS,
});
