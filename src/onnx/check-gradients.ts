import * as tf from '@tensorflow/tfjs';
import { NeuralDiffError } from '../model/errors.js';
import type { NamedWeight } from '../tfjs/weights.js';
import type { Runner } from './runner.js';

/** What is checked: weights of a graph, on some inputs and values. */
interface Subject {
  readonly runner: Runner;
  readonly weights: readonly NamedWeight[];
  readonly xs: readonly tf.Tensor[];
  readonly names: readonly string[];
}

/** Change of the values that steps aim at, relative to their size, and factors of the steps. */
const AIM = 1e-3;
const FACTORS = [1, 1 / 8, 8, 1 / 64] as const;

/** Most that a step changes weights, relative to them. */
const MAX_STEP = 1e-2;

/** Relative error of the derivative at the best step, and of values by rounding. */
const MAX_ERROR = 0.05;
const ROUNDING = 1e-6;

/** Tensors that a message names. */
const MAX_NAMED = 8;

/**
 * Compares the gradient of a probe of some values with differences of the probe: all weights move along their
 * gradients, each by a share of its own size. It takes 4 to 10 runs.
 *
 * @throws NeuralDiffError `unsupported-model`, naming tensors whose gradients are missing
 */
export async function checkGradients(subject: Subject): Promise<void> {
  const { weights } = subject;
  await subject.runner.chooseBatches(subject.xs, subject.names);
  const gradients = await gradientsOf(subject);
  const starts = weights.map(({ variable }) => tf.clone(variable));
  const directions = await Promise.all(weights.map(({ variable }, i) => directionOf(variable, gradients[i])));
  const slope = await readNumber(() =>
    tf.addN(directions.map((each, i) => tf.sum(tf.mul(each, gradients[i] ?? 0)))),
  );
  const at = async (step: number): Promise<Float32Array[]> => {
    for (const [i, { variable }] of weights.entries())
      tf.tidy(() =>
        variable.assign(tf.add(starts[i] as tf.Tensor, tf.mul(directions[i] as tf.Tensor, step))),
      );
    return readOutputs(subject);
  };
  try {
    const size = sizeOf(await readOutputs(subject));
    for (const factor of FACTORS) {
      const step = Math.min(MAX_STEP, (AIM * size) / Math.abs(slope)) * factor;
      const difference = probeDifference(await at(step), await at(-step)) / (2 * step);
      const error = MAX_ERROR * Math.abs(slope) + (ROUNDING * size) / step;
      if (Math.abs(difference - slope) <= error) return;
    }
    throw unsupported('its gradients differ from differences of its values');
  } finally {
    weights.forEach(({ variable }, i) => {
      variable.assign(starts[i] as tf.Tensor);
    });
    tf.dispose([starts, directions, gradients.filter((each) => each !== undefined)]);
  }
}

function runFloats({ runner, xs, names }: Subject): tf.Tensor[] {
  return runner.run(xs, names).map((output) => tf.reshape(tf.cast(output, 'float32'), [-1]));
}

async function readOutputs(subject: Subject): Promise<Float32Array[]> {
  const outputs = tf.tidy(() => runFloats(subject));
  const values = await Promise.all(outputs.map((output) => output.data()));
  tf.dispose(outputs);
  return values.map((each) => Float32Array.from(each));
}

/** @returns factors of a probe, a number that depends on all elements of an output, each in its own way */
function factorsOf(size: number): Float32Array {
  return Float32Array.from({ length: size }, (_, i) => Math.cos(i) / size);
}

/** Sums differences of elements in double precision: the probe itself would lose them to rounding. */
function probeDifference(above: readonly Float32Array[], below: readonly Float32Array[]): number {
  let sum = 0;
  for (const [i, output] of above.entries()) {
    const factors = factorsOf(output.length);
    for (let k = 0; k < output.length; k++)
      sum += ((output[k] as number) - (below[i]?.[k] as number)) * (factors[k] as number);
  }
  return sum;
}

/** @returns the size of a probe whose parts do not cancel out */
function sizeOf(outputs: readonly Float32Array[]): number {
  let sum = 1e-30;
  for (const output of outputs)
    sum += output.reduce((total, each) => total + Math.abs(each), 0) / output.length;
  return sum;
}

/** @returns a direction as long as the weights; that of the weights where there is no slope */
async function directionOf(variable: tf.Tensor, gradient: tf.Tensor | undefined): Promise<tf.Tensor> {
  if (!gradient) return tf.zerosLike(variable);
  const [size, length] = [
    await readNumber(() => tf.norm(variable)),
    await readNumber(() => tf.norm(gradient)),
  ];
  if (length === 0) return tf.clone(variable);
  return tf.tidy(() => tf.mul(gradient, Math.max(size, 1e-3) / length));
}

/** @returns the value of a scalar */
async function readNumber(compute: () => tf.Tensor): Promise<number> {
  const scalar = tf.tidy(compute);
  const [value] = await scalar.data();
  scalar.dispose();
  return value as number;
}

/** @returns gradients in the order of the weights; undefined for weights that the values do not need */
async function gradientsOf(subject: Subject): Promise<(tf.Tensor | undefined)[]> {
  const { runner, weights, xs, names } = subject;
  const variables = weights.map(({ variable }) => variable);
  const probe = (): tf.Scalar =>
    tf.tidy(() =>
      tf.addN(
        runFloats(subject).map((output) => tf.sum(tf.mul(output, tf.tensor1d(factorsOf(output.size))))),
      ),
    ) as tf.Scalar;
  const { value, grads } = gradientsOrRefusal(probe, variables);
  value.dispose();
  const used = new Set(runner.usedWeights(xs, names));
  const gradients = variables.map(({ name }) => grads[name]);
  const finite = await Promise.all(
    gradients.map(async (gradient) => (await gradient?.data())?.every(Number.isFinite)),
  );
  const missing = weights.filter(({ name }, i) => used.has(name) && !finite[i]);
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

function unsupported(reason: string, cause?: unknown): NeuralDiffError {
  return new NeuralDiffError('unsupported-model', `Cannot train the ONNX model: ${reason}`, { cause });
}
