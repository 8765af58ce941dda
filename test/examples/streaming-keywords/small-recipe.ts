import { createStreamRecipe } from '../../../examples/streaming-keywords/stream-recipe.js';
import { noisyStreams } from './noisy-streams.js';

export const { data, loss, metrics, options, stream } = createStreamRecipe(async (seed) => ({
  train: noisyStreams(2, seed),
  validation: noisyStreams(1, seed + 1),
  test: noisyStreams(3, seed + 2),
}));
