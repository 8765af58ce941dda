import type { Predictions, Truth } from './predictions.js';
import type { Comparison, Estimate, Flips, Part, Quality } from './quality.js';

/** Judges a model by its predictions. */
export function qualityOf(truth: Truth, predictions: Predictions, base?: Predictions): Quality {
  const right = rightOf(truth, predictions);
  const before = base && rightOf(truth, base);
  const partOf = (name: string, has: (example: number) => boolean): Part => {
    const examples = right.flatMap((_, i) => (has(i) ? [i] : []));
    const hits = examples.filter((i) => right[i]).length;
    return {
      name,
      examples: examples.length,
      ...(examples.length > 0 && { accuracy: plain(hits / examples.length) }),
      ...(before && { negativeFlips: examples.filter((i) => before[i] && !right[i]).length }),
    };
  };
  return {
    accuracy: plain(right.filter(Boolean).length / right.length),
    calibration: { error: 0, bins: [] },
    classes: truth.labels.map((label, place) => partOf(label, (i) => truth.classes[i] === place)),
    slices: Object.entries(truth.slices ?? {}).flatMap(([slice, values]) =>
      [...new Set(values)].map((value) => partOf(`${slice}: ${value}`, (i) => values[i] === value)),
    ),
  };
}

/** Compares two models example by example. */
export function compareModels(
  truth: Truth,
  models: { readonly reference: Predictions; readonly candidate: Predictions },
): Comparison {
  const [before, now] = [rightOf(truth, models.reference), rightOf(truth, models.candidate)];
  const [said, says] = [chosenBy(models.reference), chosenBy(models.candidate)];
  const count = (isOne: (i: number) => boolean | undefined): number =>
    before.filter((_, i) => isOne(i)).length;
  const flips = (number: number): Flips => {
    return { count: number, share: plain(number / before.length), examples: [] };
  };
  const [lost, won] = [count((i) => before[i] && !now[i]), count((i) => !before[i] && now[i])];
  return {
    gap: plain((lost - won) / before.length),
    agreement: plain(count((i) => said[i] === says[i]) / before.length),
    negativeFlips: flips(lost),
    positiveFlips: flips(won),
    divergence: { mean: 0, percentile99: 0 },
  };
}

function plain(value: number): Estimate {
  return { value, low: value, high: value };
}

function rightOf(truth: Truth, predictions: Predictions): boolean[] {
  return chosenBy(predictions).map((found, i) => found === truth.classes[i]);
}

function chosenBy({ classes, probabilities }: Predictions): number[] {
  return Array.from({ length: probabilities.length / classes }, (_, i) => {
    const row = probabilities.subarray(i * classes, (i + 1) * classes);
    return row.indexOf(Math.max(...row));
  });
}
