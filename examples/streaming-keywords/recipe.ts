import { createStreamRecipe } from './stream-recipe.js';

export const { data, loss, metrics, options, stream } = createStreamRecipe();
