/** A measured share or difference, with its 95 % confidence interval. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** Standard normal quantile of 97.5 %: the intervals are two-sided, at 95 %. */
const Z = 1.959963984540054;

/**
 * Estimates a share of independent examples, with its score interval.
 *
 * Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
 *
 * @param count 0 to `total`
 * @param total at least 1
 */
export function shareOf(count: number, total: number): Estimate {
  const value = count / total;
  const weight = Z ** 2 / total;
  const centre = (value + weight / 2) / (1 + weight);
  const half = (Z * Math.sqrt((value * (1 - value)) / total + weight / (4 * total))) / (1 + weight);
  // Exact ends, as rounding could move them slightly.
  return {
    value,
    low: count === 0 ? 0 : Math.max(0, centre - half),
    high: count === total ? 1 : Math.min(1, centre + half),
  };
}

/** Number of examples on which exactly one of two models is right. */
export interface Discordant {
  /** The reference is right, the candidate wrong. */
  readonly lost: number;
  /** The candidate is right, the reference wrong. */
  readonly gained: number;
  /** All examples: at least 1. */
  readonly total: number;
}

/**
 * Estimates the difference of two accuracies on the same examples, reference minus candidate, with the
 * adjusted Wald interval of paired proportions.
 *
 * Source: D. G. Bonett and R. M. Price, "Adjusted Wald confidence interval for a difference of binomial
 * proportions based on paired data", 2012.
 */
export function pairedGap({ lost, gained, total }: Discordant): Estimate {
  const [p, q, n] = [(lost + 1) / (total + 2), (gained + 1) / (total + 2), total + 2];
  const half = Z * Math.sqrt((p + q - (p - q) ** 2) / n);
  return {
    value: (lost - gained) / total,
    low: Math.max(-1, p - q - half),
    high: Math.min(1, p - q + half),
  };
}
