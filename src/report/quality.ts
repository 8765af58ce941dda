/** A measured share or difference, with its 95 % confidence interval. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** A model and what its predictions are worth; no quality where nothing was measured, or where a problem says why. */
export interface MeasuredModel {
  readonly quality?: Quality;
  readonly problem?: string;
}

/** How well a model predicts. */
export interface Quality {
  readonly accuracy: Estimate;
  readonly calibration: Calibration;
  /** In the order of the labels. */
  readonly classes: readonly Part[];
  readonly slices: readonly Part[];
}

/** A class, or a slice of the examples. */
export interface Part {
  readonly name: string;
  readonly examples: number;
  /** Absent without examples. */
  readonly accuracy?: Estimate;
  /** Examples that the base gets right and this model wrong; absent for the base. */
  readonly negativeFlips?: number;
}

/** How far confidence is from accuracy, in ten bins of equal width. */
export interface Calibration {
  /** Expected calibration error. */
  readonly error: number;
  /** Bins with examples. */
  readonly bins: readonly CalibrationBin[];
}

/** Examples whose top class has a probability from `low` to `high`. */
export interface CalibrationBin {
  readonly low: number;
  readonly high: number;
  readonly examples: number;
  readonly confidence: number;
  readonly accuracy: number;
}

/** Two models on the same examples: how a candidate differs from a reference. */
export interface Comparison {
  /** Accuracy of the reference less that of the candidate. */
  readonly gap: Estimate;
  /** Share of examples to which both give the same class. */
  readonly agreement: Estimate;
  /** Right before, wrong now. */
  readonly negativeFlips: Flips;
  /** Wrong before, right now. */
  readonly positiveFlips: Flips;
  readonly divergence: Divergence;
}

/** Examples whose prediction became wrong, or right. */
export interface Flips {
  readonly count: number;
  readonly share: Estimate;
  /** A few, those of the most confident wrong prediction first. */
  readonly examples: readonly FlipExample[];
}

/** An example whose prediction changed. */
export interface FlipExample {
  readonly index: number;
  readonly name?: string;
  readonly label: string;
  readonly before: string;
  readonly after: string;
  /** Probabilities of the classes that were predicted. */
  readonly confidenceBefore: number;
  readonly confidenceAfter: number;
}

/** How far the candidate's probabilities are from the reference's. */
export interface Divergence {
  /** Kullback-Leibler divergence from the reference, in nats: mean and 99th percentile over the examples. */
  readonly mean: number;
  readonly percentile99: number;
}
