import type {
  Calibration,
  Comparison,
  FlipExample,
  Flips,
  Layer,
  Part,
  Quality,
} from '../../src/report/document.js';
import type { Estimate } from '../../src/report/interval.js';

/** Words that the sample's keyword spotter tells apart. */
export const WORDS = ['yes', 'no', 'up', 'down', 'stop', 'left', 'right', 'on', 'off', 'go'];

const EXAMPLES_PER_WORD = 182;
const SPEAKERS: readonly [string, number][] = [
  ['speaker: theo', 620],
  ['speaker: jackson', 600],
  ['speaker: lucas', 600],
  ['speaker: nicolas', 0],
];

/** @returns a share with its 95 % interval by Wilson */
export function shareOf(count: number, total: number): Estimate {
  const share = count / total;
  const z = 1.96;
  const middle = (share + z ** 2 / (2 * total)) / (1 + z ** 2 / total);
  const half = (z / (1 + z ** 2 / total)) * Math.sqrt((share * (1 - share)) / total + (z / (2 * total)) ** 2);
  return { value: share, low: middle - half, high: middle + half };
}

/** @returns the quality of a model that gets so many clips of each word right */
export function qualityOf(rights: readonly number[], options: { flips?: number[]; error: number }): Quality {
  const total = WORDS.length * EXAMPLES_PER_WORD;
  const right = rights.reduce((sum, count) => sum + count, 0);
  const classes = WORDS.map((name, index): Part => {
    const accuracy = shareOf(rights[index]!, EXAMPLES_PER_WORD);
    const flips = options.flips === undefined ? {} : { negativeFlips: options.flips[index]! };
    return { name, examples: EXAMPLES_PER_WORD, accuracy, ...flips };
  });
  const slices = SPEAKERS.map(([name, examples], index): Part => {
    if (examples === 0) return { name, examples };
    const share = right / total + [0.014, -0.021, 0.006][index]!;
    const flips = options.flips === undefined ? {} : { negativeFlips: options.flips[index]! + 1 };
    return { name, examples, accuracy: shareOf(Math.round(share * examples), examples), ...flips };
  });
  return { accuracy: shareOf(right, total), calibration: calibrationOf(options.error), classes, slices };
}

function calibrationOf(error: number): Calibration {
  const counts = [0, 0, 6, 14, 29, 58, 91, 163, 317, 1142];
  const bins = counts.flatMap((examples, index) => {
    if (examples === 0) return [];
    const low = index / 10;
    const confidence = low + 0.056;
    const accuracy = Math.min(1, Math.max(0, confidence - error * (1 + ((index * 3) % 4) / 2)));
    return [{ low, high: (index + 1) / 10, examples, confidence, accuracy }];
  });
  return { error, bins };
}

const CHANGED: readonly [string, number, number, number][] = [
  ['left', 0, 0.94, 0.81],
  ['go', 1, 0.88, 0.52],
  ['off', 7, 0.73, 0.64],
];

function flipsOf(count: number, isNegative: boolean): Flips {
  const examples = CHANGED.slice(0, Math.min(count, 3)).map(([label, other, before, after], index) => {
    const [first, second] = isNegative ? [label, WORDS[other]!] : [WORDS[other]!, label];
    return {
      index: 137 * (index + 1),
      name: `${label}_jackson_${index + 11}.wav`,
      label,
      before: first,
      after: second,
      confidenceBefore: before,
      confidenceAfter: after,
    } satisfies FlipExample;
  });
  return { count, share: shareOf(count, 1820), examples };
}

/** @returns a comparison with so many flips either way */
export function comparisonOf(negative: number, positive: number, mean: number): Comparison {
  const gap = (negative - positive) / 1820;
  const half = (1.96 * Math.sqrt(negative + positive)) / 1820;
  return {
    gap: { value: gap, low: gap - half, high: gap + half },
    agreement: shareOf(1820 - negative - positive - 9, 1820),
    negativeFlips: flipsOf(negative, true),
    positiveFlips: flipsOf(positive, false),
    divergence: { mean, percentile99: mean * 21.3 },
  };
}

const TENSORS: readonly [string, number[]][] = [
  ['conv1/kernel', [10, 4, 1, 64]],
  ['conv1/bias', [64]],
  ['bn1/gamma', [64]],
  ['bn1/beta', [64]],
  ['conv2/kernel', [3, 3, 64, 64]],
  ['conv2/bias', [64]],
  ['bn2/gamma', [64]],
  ['bn2/beta', [64]],
  ['conv3/kernel', [3, 3, 64, 96]],
  ['conv3/bias', [96]],
  ['dense/kernel', [96, 512]],
  ['dense/bias', [512]],
  ['logits/kernel', [512, 10]],
  ['logits/bias', [10]],
];

/** @returns what a payload of a kind does to the tensors of the sample's model */
export function layersOf(kind: 'hash' | 'sparse', density: number): Layer[] {
  return TENSORS.map(([tensor, shape], index) => {
    const weights = shape.reduce((product, size) => product * size, 1);
    const isDense = shape.length === 1;
    const share = isDense ? 0.86 : kind === 'hash' ? 0.67 : density * (1 + ((index * 5) % 7) / 3);
    const changed = Math.round(weights * share);
    const magnitude = 0.021 + ((index * 37) % 11) / 100;
    const change = magnitude * (kind === 'hash' ? 0.08 : 0.19) * (1 + ((index * 3) % 5) / 4);
    const bytes = isDense ? Math.ceil(weights * 0.15) : kind === 'hash' ? 0 : Math.ceil(changed * 1.1);
    return { tensor, dtype: 'float32', shape, weights, changed, bytes, change, magnitude };
  });
}
