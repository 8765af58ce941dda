import * as tf from '@tensorflow/tfjs';
import { NeuralDiffError } from '../model/errors.js';
import type { NamedWeight } from '../tfjs/weights.js';
import type { Runner } from './runner.js';

/** What is checked. */
interface Subject {
  readonly runner: Runner;
  readonly weights: readonly NamedWeight[];
}

/** Steps along the gradient, relative to the weights: some networks bend more, others lose more to rounding. */
const STEPS = [1e-3, 3e-3, 1e-2, 3e-4, 1e-4] as const;

/** Relative error of the derivative at the best step. */
const MAX_ERROR = 0.05;

/** Tensors that a message names. */
const MAX_NAMED = 8;

/**
 * Compares the gradient of a probe of some values with differences of the probe: all weights move along their
 * gradients, each by a share of its own size.
 *
 * @throws NeuralDiffError `unsupported-model`, naming tensors whose gradients are missing
 */
export async function checkGradients(
  subject: Subject,
  xs: readonly tf.Tensor[],
  names: readonly string[],
): Promise<void> {
  const { runner, weights } = subject;
  const probe = (): tf.Scalar =>
    tf.tidy(() => tf.addN(runner.run(xs, names).map(probeOf)) as tf.Scalar);
  const gradients = gradientsOf(subject, { probe, xs, names });
  const starts = weights.map(({ variable }) => tf.clone(variable));
  const directions = weights.map(({ variable }, i) => tf.tidy(() => directionOf(variable, gradients[i])));
  try {
    const slope = tf.tidy(() =>
      tf.addN(directions.map((each, i) => tf.sum(tf.mul(each, gradients[i] ?? 0)))).dataSync()[0] as number,
    );
    const at = (step: number): number => {
      weights.forEach(({ variable }, i) => {
        tf.tidy(() => variable.assign(tf.add(starts[i] as tf.Tensor, tf.mul(directions[i] as tf.Tensor, step))));
      });
      const value = probe();
      const [number] = value.dataSync();
      value.dispose();
      return number as number;
    };
    if (slope === 0 || STEPS.some((step) => isClose((at(step) - at(-step)) / (2 * step), slope))) return;
    throw unsupported('its gradients differ from differences of its values');
  } finally {
    weights.forEach(({ variable }, i) => {
      variable.assign(starts[i] as tf.Tensor);
    });
    tf.dispose([starts, directions, gradients.filter((each) => each !== undefined)]);
  }
}

function isClose(difference: number, slope: number): boolean {
  return Math.abs(difference - slope) <= MAX_ERROR * Math.abs(slope);
}

/** @returns a number that depends on all elements of an output, each in its own way */
function probeOf(output: tf.Tensor): tf.Tensor {
  const factors = tf.cos(tf.range(0, output.size));
  return tf.mean(tf.mul(tf.reshape(tf.cast(output, 'float32'), [-1]), factors));
}

function directionOf(variable: tf.Tensor, gradient: tf.Tensor | undefined): tf.Tensor {
  if (!gradient) return tf.zerosLike(variable);
  const [size, length] = [tf.norm(variable), tf.norm(gradient)];
  return tf.mul(gradient, tf.divNoNan(tf.maximum(size, 1e-3), length));
}

/** @returns gradients in the order of the weights; undefined for weights that the values do not need */
function gradientsOf(
  { runner, weights }: Subject,
  { probe, xs, names }: { probe: () => tf.Scalar; xs: readonly tf.Tensor[]; names: readonly string[] },
): (tf.Tensor | undefined)[] {
  const used = new Set(runner.usedWeights(xs, names));
  const variables = weights.map(({ variable }) => variable);
  const { value, grads } = gradientsOrRefusal(probe, variables);
  value.dispose();
  const gradients = variables.map(({ name }) => grads[name]);
  const missing = weights.filter(({ name }, i) => {
    const gradient = gradients[i];
    return used.has(name) && !(gradient && isFinite(gradient));
  });
  if (missing.length === 0) return gradients;
  tf.dispose(gradients.filter((each) => each !== undefined));
  const named = missing.slice(0, MAX_NAMED).map(({ name }) => `"${name}"`);
  const more = missing.length > MAX_NAMED ? ` and ${missing.length - MAX_NAMED} more` : '';
  throw unsupported(`no gradient reaches ${named.join(', ')}${more}`);
}

function gradientsOrRefusal(probe: () => tf.Scalar, variables: tf.Variable[]) {
  try {
    return tf.variableGrads(probe, variables);
  } catch (error) {
    if (error instanceof NeuralDiffError) throw error;
    throw unsupported((error as Error).message, error);
  }
}

function isFinite(tensor: tf.Tensor): boolean {
  return tensor.dataSync().every(Number.isFinite);
}

function unsupported(reason: string, cause?: unknown): NeuralDiffError {
  return new NeuralDiffError('unsupported-model', `Cannot train the ONNX model: ${reason}`, { cause });
}
