import { DIFF_EPOCHS, FINE_TUNING } from '../../examples/emoji-pictures/training.js';
import { recipeOf } from './recipe.js';

export const { data, loss, metrics, options } = recipeOf('emoji', {
  ...FINE_TUNING,
  diffEpochs: DIFF_EPOCHS,
});
