import * as tf from '@tensorflow/tfjs';
import { NeuralDiffError } from '../model/errors.js';
import { checkChoice } from './check.js';
import type { OutputKind } from './predictor.js';

/** A loss for each example, of any shape, from labels and outputs; both have the batch dimension first. */
export type LossFunction = (labels: tf.Tensor, outputs: tf.Tensor) => tf.Tensor;

/**
 * Standard losses. Labels: one row of probabilities for each example; numbers of classes; probabilities of
 * one or more independent events; values.
 */
export const LOSS_NAMES = [
  'categoricalCrossentropy',
  'sparseCategoricalCrossentropy',
  'binaryCrossentropy',
  'meanSquaredError',
] as const;

/** The name of a standard loss. */
export type LossName = (typeof LOSS_NAMES)[number];

/**
 * @param loss the name of a standard loss, or a function
 * @param kind what the outputs are; cross-entropies take `values` for probabilities
 * @throws RangeError for an unknown name
 */
export function lossOf(loss: LossName | LossFunction, kind: OutputKind): LossFunction {
  if (typeof loss === 'function') return loss;
  checkChoice('loss', loss, LOSS_NAMES);
  return (kind === 'logits' ? LOGIT_LOSSES : LOSSES)[loss];
}

/** Labels and output of a standard loss. */
interface Labelled {
  readonly labels: tf.Tensor;
  readonly output: tf.Tensor;
  /** Name of the output. */
  readonly name: string;
}

/**
 * Checks that labels have the shape of the output, or are numbers of its classes for a sparse cross-entropy.
 * Dimensions of 1 after the first may differ. Other shapes would be broadcast without an error, or fail in
 * the middle of a kernel.
 *
 * @param loss name of a loss; functions, and an empty name, are unchecked
 * @returns the labels, in the shape of the output unless they are numbers of classes
 * @throws NeuralDiffError `bad-data`
 */
export function fitLabels(loss: unknown, { labels, output, name }: Labelled): tf.Tensor {
  if (typeof loss !== 'string' || loss === '') return labels;
  const isSparse = loss === 'sparseCategoricalCrossentropy';
  const classes = output.shape.at(-1) as number;
  const [rows, numbers] = [output.shape, output.shape.slice(0, -1)];
  const expected = isSparse ? numbers : rows;
  if (areAlike(labels.shape, expected)) return isSparse ? labels : tf.reshape(labels, output.shape);
  const other = isSparse && areAlike(labels.shape, rows) ? 'one-hot rows: use categoricalCrossentropy' : '';
  const isNumbers = loss === 'categoricalCrossentropy' && areAlike(labels.shape, numbers);
  const advice = isNumbers
    ? `numbers of classes: use tf.oneHot(…, ${classes}), or sparse${upper(loss)}`
    : other;
  const message = `Cannot use labels for "${name}": expected shape ${write(expected)} for ${loss}, got ${write(labels.shape)}`;
  throw new NeuralDiffError('bad-data', advice === '' ? message : `${message}, which are ${advice}`);
}

/** @returns whether shapes agree in all but dimensions of 1 after the first */
function areAlike([count, ...sizes]: readonly number[], [others, ...expected]: readonly number[]): boolean {
  const relevant = (list: readonly number[]): string => String(list.filter((size) => size !== 1));
  return count === others && relevant(sizes) === relevant(expected);
}

/** Leaves open how many examples a batch has. */
function write([, ...sizes]: readonly number[]): string {
  return `[${['examples', ...sizes].join(', ')}]`;
}

function upper(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/**
 * Smallest probability whose logarithm is taken: far below what networks output, as clipped outputs have no
 * gradient.
 */
const LEAST_PROBABILITY = 1e-30;

/** @returns logarithms of probabilities, clipped at 1e-30 */
export function logOf(probabilities: tf.Tensor): tf.Tensor {
  return tf.log(tf.clipByValue(probabilities, LEAST_PROBABILITY, 1));
}

function crossEntropy(labels: tf.Tensor, logarithms: tf.Tensor): tf.Tensor {
  return tf.neg(tf.sum(tf.mul(tf.cast(labels, 'float32'), logarithms), -1));
}

/** @returns one-hot rows in the shape of the outputs */
function oneHot(labels: tf.Tensor, { shape }: tf.Tensor): tf.Tensor {
  const hot = tf.oneHot(tf.cast(tf.reshape(labels, [-1]), 'int32'), shape.at(-1) as number);
  return tf.reshape(tf.cast(hot, 'float32'), shape);
}

/** Labels as floats in the shape of the outputs, which may have a dimension of 1 more or less. */
function alike(labels: tf.Tensor, { shape }: tf.Tensor): tf.Tensor {
  return tf.reshape(tf.cast(labels, 'float32'), shape);
}

function squaredError(labels: tf.Tensor, values: tf.Tensor): tf.Tensor {
  return tf.square(tf.sub(values, alike(labels, values)));
}

/**
 * Losses of probabilities, without the clipping of TensorFlow.js at 1e-7: there, a class that a network has
 * ruled out, such as one reserved for later, has no gradient and can never be learnt.
 */
export const LOSSES: Readonly<Record<LossName, LossFunction>> = {
  categoricalCrossentropy: (labels, outputs) => crossEntropy(labels, logOf(outputs)),
  sparseCategoricalCrossentropy: (labels, outputs) => crossEntropy(oneHot(labels, outputs), logOf(outputs)),
  binaryCrossentropy(labels, outputs) {
    const expected = alike(labels, outputs);
    const positive = tf.mul(expected, logOf(outputs));
    return tf.neg(tf.add(positive, tf.mul(tf.sub(1, expected), logOf(tf.sub(1, outputs)))));
  },
  meanSquaredError: squaredError,
};

const LOGIT_LOSSES: Readonly<Record<LossName, LossFunction>> = {
  categoricalCrossentropy: (labels, logits) => crossEntropy(labels, tf.logSoftmax(logits)),
  sparseCategoricalCrossentropy: (labels, logits) =>
    crossEntropy(oneHot(labels, logits), tf.logSoftmax(logits)),
  binaryCrossentropy: (labels, logits) =>
    // max(x, 0) - x·y + log(1 + exp(-|x|)), which does not overflow.
    tf.add(
      tf.sub(tf.relu(logits), tf.mul(logits, alike(labels, logits))),
      tf.log1p(tf.exp(tf.neg(tf.abs(logits)))),
    ),
  meanSquaredError: squaredError,
};

/** @returns 1 for each example whose most probable class is the label's, else 0; one output is binary */
export function hitsOf(labels: tf.Tensor, outputs: tf.Tensor, kind: OutputKind): tf.Tensor {
  const classes = outputs.shape.at(-1) as number;
  if (classes === 1) {
    const isPositive = tf.greater(tf.reshape(outputs, [-1]), kind === 'logits' ? 0 : 0.5);
    return tf.equal(tf.cast(isPositive, 'int32'), tf.cast(tf.reshape(labels, [-1]), 'int32'));
  }
  const found = tf.reshape(tf.argMax(outputs, -1), [-1]);
  const isHot = labels.size === outputs.size;
  const expected = isHot ? tf.argMax(labels, -1) : tf.cast(labels, 'int32');
  return tf.equal(found, tf.reshape(expected, [-1]));
}
