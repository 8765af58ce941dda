import type {
  Calibration,
  CalibrationBin,
  Comparison,
  Divergence,
  FlipExample,
  Flips,
  Part,
  Quality,
} from './document.js';
import { pairedGap, shareOf } from './interval.js';

/** Bins of confidence, of equal width. */
const CALIBRATION_BINS = 10;

/** Most flips listed. */
const MAX_FLIP_EXAMPLES = 12;

/** Lower bound of probabilities in a divergence, which keeps it finite. */
const LEAST_PROBABILITY = 1e-12;

/**
 * Assesses how well a model predicts.
 *
 * @param truth of at least one example
 * @param predictions of the same examples and classes
 * @param base predictions of the base; if given, negative flips are counted for each part
 */
export function qualityOf(truth: Truth, predictions: Predictions, base?: Predictions): Quality {
  const isRight = rightOf(truth, topOf(predictions));
  const flipped = base && rightOf(truth, topOf(base)).map((was, i) => Number(was && !isRight[i]));
  const total = truth.classes.length;
  const part = (name: string, members: readonly number[]): Part => {
    const negativeFlips = flipped && { negativeFlips: members.filter((i) => flipped[i]).length };
    const right = members.filter((i) => isRight[i]).length;
    const accuracy = members.length > 0 ? { accuracy: shareOf(right, members.length) } : {};
    return { name, examples: members.length, ...accuracy, ...negativeFlips };
  };
  return {
    accuracy: shareOf(isRight.filter(Boolean).length, total),
    calibration: calibrationOf(predictions, isRight),
    classes: classesOf(truth).map(([name, members]) => part(name, members)),
    slices: slicesOf(truth).map(([name, members]) => part(name, members)),
  };
}

/** @returns the most probable class of each example; the first of equals */
function topOf({ classes, probabilities }: Predictions): Int32Array {
  return Int32Array.from({ length: probabilities.length / classes }, (_, i) => {
    const row = probabilities.subarray(i * classes, (i + 1) * classes);
    return row.reduce((top, probability, k) => (probability > (row[top] as number) ? k : top), 0);
  });
}

function rightOf(truth: Truth, top: Int32Array): boolean[] {
  return Array.from(top, (k, i) => k === truth.classes[i]);
}

type Group = readonly [name: string, members: readonly number[]];

function classesOf({ labels, classes }: Truth): Group[] {
  const groups = groupBy(classes);
  return labels.map((label, k) => [label, groups.get(k) ?? []]);
}

function slicesOf({ slices = {} }: Truth): Group[] {
  return Object.entries(slices).flatMap(([by, values]) =>
    [...groupBy(values)]
      .map(([value, members]): Group => [`${by}: ${value}`, members])
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

function groupBy<T>(values: ArrayLike<T>): Map<T, number[]> {
  const groups = new Map<T, number[]>();
  Array.from(values, (value, i) => groups.get(value)?.push(i) ?? groups.set(value, [i]));
  return groups;
}

function membersOf<T>(values: ArrayLike<T>, value: T): number[] {
  return Array.from(values, (each, i) => (each === value ? i : -1)).filter((i) => i >= 0);
}

/**
 * Computes the expected calibration error over bins of the top class's probability.
 *
 * Source: C. Guo et al., "On calibration of modern neural networks", 2017.
 */
function calibrationOf(predictions: Predictions, isRight: readonly boolean[]): Calibration {
  const sums = Array.from({ length: CALIBRATION_BINS }, () => ({ examples: 0, confidence: 0, right: 0 }));
  topOf(predictions).forEach((k, i) => {
    const confidence = predictions.probabilities[i * predictions.classes + k] as number;
    const bin = Math.min(CALIBRATION_BINS - 1, Math.floor(confidence * CALIBRATION_BINS));
    const sum = sums[bin] as (typeof sums)[number];
    sum.examples++;
    sum.confidence += confidence;
    sum.right += Number(isRight[i]);
  });
  const bins = sums.flatMap(({ examples, confidence, right }, i): CalibrationBin[] => {
    if (examples === 0) return [];
    const [low, high] = [i / CALIBRATION_BINS, (i + 1) / CALIBRATION_BINS];
    return [{ low, high, examples, confidence: confidence / examples, accuracy: right / examples }];
  });
  const error = bins.reduce((sum, bin) => sum + bin.examples * Math.abs(bin.confidence - bin.accuracy), 0);
  return { error: error / isRight.length, bins };
}

/** Two models' predictions of the same examples. */
export interface ModelPair {
  readonly reference: Predictions;
  readonly candidate: Predictions;
}

/** Compares the predictions of two models example by example. */
export function compareModels(truth: Truth, { reference, candidate }: ModelPair): Comparison {
  const [before, after] = [topOf(reference), topOf(candidate)];
  const [wasRight, isRight] = [rightOf(truth, before), rightOf(truth, after)];
  const total = truth.classes.length;
  const lost = membersOf(wasRight, true).filter((i) => !isRight[i]);
  const gained = membersOf(wasRight, false).filter((i) => isRight[i]);
  const describeFlip = (i: number): FlipExample => {
    const [from, to] = [before[i] as number, after[i] as number];
    return {
      index: i,
      ...(truth.names && { name: truth.names[i] as string }),
      label: truth.labels[truth.classes[i] as number] as string,
      before: truth.labels[from] as string,
      after: truth.labels[to] as string,
      confidenceBefore: reference.probabilities[i * reference.classes + from] as number,
      confidenceAfter: candidate.probabilities[i * candidate.classes + to] as number,
    };
  };
  const flips = (members: readonly number[]): Flips => ({
    count: members.length,
    share: shareOf(members.length, total),
    examples: members
      .map(describeFlip)
      .sort((a, b) => b.confidenceAfter - a.confidenceAfter || a.index - b.index)
      .slice(0, MAX_FLIP_EXAMPLES),
  });
  return {
    gap: pairedGap({ lost: lost.length, gained: gained.length, total }),
    agreement: shareOf(before.filter((k, i) => k === after[i]).length, total),
    negativeFlips: flips(lost),
    positiveFlips: flips(gained),
    divergence: divergenceOf({ reference, candidate }),
  };
}

function divergenceOf({ reference, candidate }: ModelPair): Divergence {
  const { classes } = reference;
  const logOf = (p: number): number => Math.log(Math.max(p, LEAST_PROBABILITY));
  const each = Float64Array.from({ length: reference.probabilities.length / classes }, (_, i) => {
    let sum = 0;
    for (let k = i * classes; k < (i + 1) * classes; k++) {
      const p = reference.probabilities[k] as number;
      if (p > 0) sum += p * (logOf(p) - logOf(candidate.probabilities[k] as number));
    }
    return Math.max(0, sum);
  }).sort();
  const mean = each.reduce((sum, value) => sum + value, 0) / each.length;
  return { mean, percentile99: each[Math.ceil(0.99 * each.length) - 1] as number };
}

/** A model's predictions for all examples. */
export interface Predictions {
  readonly classes: number;
  /** Probabilities: a row of all classes for each example. */
  readonly probabilities: Float32Array;
}

/** The ground truth of the examples, and their descriptions. */
export interface Truth {
  /** Names of the classes. */
  readonly labels: readonly string[];
  /** The right class of each example. */
  readonly classes: Int32Array;
  /** A name for each example, such as its file. */
  readonly names?: readonly string[];
  /** Groupings of the examples with a value for each: `speaker` to `["theo", "jackson", …]`. */
  readonly slices?: Readonly<Record<string, readonly string[]>>;
  /** If the examples are steps of sequences, the number of these. */
  readonly sequences?: number;
}
