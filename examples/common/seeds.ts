/**
 * Prepare the seeds of a model's layers: each layer gets one of its own, since layers of one shape must not
 * start alike.
 *
 * @param seed whole number that fixes the initial weights
 * @returns a function that gives the next layer's seed
 */
export function createSeeds(seed: number): () => number {
  let drawn = 0;
  return () => seed * 1_000 + drawn++;
}
