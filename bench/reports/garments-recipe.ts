import { DIFF_EPOCHS, FINE_TUNING } from '../../examples/garment-images/training.js';
import { recipeOf } from './recipe.js';

export const { data, loss, metrics, options } = recipeOf('garments', {
  ...FINE_TUNING,
  diffEpochs: DIFF_EPOCHS,
});
