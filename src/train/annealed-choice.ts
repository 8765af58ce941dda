/** Temperature of soft choices at the start of training, and where they are all but hard. */
export interface Temperatures {
  /** Above 0. */
  readonly first: number;
  /** Above 0, at most `first`. */
  readonly last: number;
}

/**
 * Finds the temperature of a moment of training: it falls by equal factors in equal times.
 *
 * @param share share of the annealing that is done: 0 to 1
 */
export function temperatureAt({ first, last }: Temperatures, share: number): number {
  return first * (last / first) ** share;
}

/**
 * A choice between two branches that is soft in training and hard on devices: `sigmoid(logit / temperature)`.
 * At temperature 0 it is 1 for logits of 0 and more, and 0 below.
 *
 * @returns the share of the first branch: 0 to 1
 */
export function annealedChoice(logit: number, temperature: number): number {
  if (temperature === 0) return logit >= 0 ? 1 : 0;
  return 1 / (1 + Math.exp(-logit / temperature));
}
