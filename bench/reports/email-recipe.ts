import { DIFF_EPOCHS, FINE_TUNING } from '../../examples/mail-folders/training.js';
import { recipeOf } from './recipe.js';

export const { data, loss, metrics, options } = recipeOf('email', {
  ...FINE_TUNING,
  diffEpochs: DIFF_EPOCHS,
});
