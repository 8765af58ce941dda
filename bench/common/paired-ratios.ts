/** A ratio over rounds. */
export interface PairedRatio {
  readonly lowerQuartile: number;
  readonly median: number;
  readonly upperQuartile: number;
}

/** What a step of each way took in one round, in milliseconds. */
export type Round = Readonly<Record<string, number>>;

/**
 * Compares two ways that were timed in turns: each round gives one ratio, so that what slows a machine down
 * for a while slows both sides of a pair. Quantiles are interpolated linearly between the sorted ratios.
 *
 * @param rounds at least one
 */
export function pairedRatio(rounds: readonly Round[], way: string, reference: string): PairedRatio {
  const ratios = rounds.map((round) => (round[way] as number) / (round[reference] as number));
  ratios.sort((a, b) => a - b);
  const quantile = (share: number): number => {
    const place = share * (ratios.length - 1);
    const [low, high] = [ratios[Math.floor(place)] as number, ratios[Math.ceil(place)] as number];
    return low + (place % 1) * (high - low);
  };
  return { lowerQuartile: quantile(0.25), median: quantile(0.5), upperQuartile: quantile(0.75) };
}
