import * as tf from '@tensorflow/tfjs';
import { NeuralDiffError } from '../model/errors.js';
import { assignValues } from '../tfjs/weights.js';
import type { Network } from './network.js';
import { createRandom } from './random.js';

/** Runs of tensors that are tested separately: an error in a small tensor must not drown in larger ones. */
const GROUPS = 4;

/** Steps of the difference quotient, in norms of a tensor; one that agrees is enough. */
const STEPS = [1e-2, 1e-3, 1e-4, 1e-5];

/** Allowed relative error: rectifiers have kinks, and deep networks are curved. */
const TOLERANCE = 0.1;

/** Relative rounding error of an output in float32 arithmetic, with a margin for deep networks. */
const NOISE = 1e-5;

/** Norm in place of that of a tensor of zeros, such as a bias that has not been trained. */
const LEAST_NORM = 1e-2;

/** Multiplies outputs by fixed numbers and adds up: a loss to which every element contributes. */
interface Probe {
  loss(outputs: readonly tf.Tensor[]): tf.Scalar;
  /** @returns the loss in double precision, and the bound of its rounding errors */
  measure(outputs: readonly tf.Tensor[]): Promise<{ loss: number; noise: number }>;
  dispose(): void;
}

type Weights = Network['weights'];

/**
 * Tests the gradients of a network by its trainable float32 weights: derivatives along the gradient compared
 * with difference quotients, for runs of neighbouring weights.
 *
 * @param network its weights are changed, and restored bit for bit
 * @param xs inputs of a few examples
 * @param names outputs to differentiate
 * @throws NeuralDiffError `unsupported-model` if a gradient cannot be computed, is not finite or is wrong, or
 *   if outputs are not finite
 */
export async function checkNetworkGradients(
  network: Pick<Network, 'weights' | 'run'>,
  xs: tf.Tensor[],
  names: readonly string[],
): Promise<void> {
  const weights = network.weights.filter((each) => each.trainable && each.variable.dtype === 'float32');
  const run = () => tf.tidy(() => network.run(xs, names).map((output) => tf.cast(output, 'float32')));
  const outputs = attempt(run);
  const probe = createProbe(outputs);
  try {
    const { loss } = await probe.measure(outputs);
    if (!Number.isFinite(loss))
      throw unsupported(`outputs [${names}] of two examples are not finite numbers`);
    const gradients = await readGradients(weights, () => probe.loss(run()));
    const size = Math.ceil(weights.length / GROUPS);
    for (let first = 0; first < weights.length; first += size)
      await compare(weights.slice(first, first + size), gradients, async () => {
        const changed = run();
        const measured = await probe.measure(changed);
        tf.dispose(changed);
        return measured;
      });
  } finally {
    probe.dispose();
    tf.dispose(outputs);
  }
}

function createProbe(outputs: readonly tf.Tensor[]): Probe {
  const random = createRandom(1);
  const factors = outputs.map(({ size }) => Float32Array.from({ length: size }, () => random() + 0.5));
  const tensors = factors.map((each, i) => tf.tensor(each.slice(), outputs[i]?.shape));
  return {
    loss: (given) =>
      tf.addN(given.map((output, i) => tf.mean(tf.mul(output, tensors[i] as tf.Tensor)))) as tf.Scalar,
    async measure(given) {
      let [loss, noise] = [0, 0];
      for (const [i, output] of given.entries()) {
        const values = await output.data();
        for (let j = 0; j < values.length; j++) {
          const term = ((values[j] as number) * (factors[i]?.[j] as number)) / values.length;
          loss += term;
          noise += NOISE * Math.abs(term);
        }
      }
      return { loss, noise };
    },
    dispose: () => tf.dispose(tensors),
  };
}

/** Runs what TensorFlow.js may be unable to do. */
function attempt<T>(run: () => T): T {
  try {
    return run();
  } catch (cause) {
    if (cause instanceof NeuralDiffError) throw cause;
    throw unsupported(`TensorFlow.js reports: ${(cause as Error).message}`, cause);
  }
}

type Gradients = ReadonlyMap<string, Float32Array>;

async function readGradients(weights: Weights, loss: () => tf.Scalar): Promise<Gradients> {
  const variables = weights.map(({ variable }) => variable);
  const grads = attempt(() => tf.tidy(() => tf.variableGrads(loss, variables).grads));
  const found = new Map<string, Float32Array>();
  for (const { name, variable } of weights) {
    const gradient = grads[variable.name];
    const values = gradient ? ((await gradient.data()) as Float32Array) : new Float32Array(variable.size);
    found.set(name, values.slice());
  }
  tf.dispose(grads);
  const broken = [...found].filter(([, values]) => !values.every(Number.isFinite)).map(([name]) => name);
  if (broken.length > 0) throw unsupported(`gradients of ${listNames(broken)} are not finite numbers`);
  return found;
}

/** Compares the derivative along the gradient of some weights, each scaled to its own norm. */
async function compare(
  group: Weights,
  gradients: Gradients,
  measure: () => Promise<{ loss: number; noise: number }>,
): Promise<void> {
  const moved: { variable: tf.Variable; base: Float32Array; direction: Float32Array }[] = [];
  let expected = 0;
  for (const { name, variable } of group) {
    const base = ((await variable.data()) as Float32Array).slice();
    const gradient = gradients.get(name) as Float32Array;
    const steepness = norm(gradient);
    if (steepness === 0) continue;
    const length = Math.max(norm(base), LEAST_NORM);
    const direction = gradient.map((each) => (each / steepness) * length);
    moved.push({ variable, base, direction });
    expected += steepness * length;
  }
  const at = async (step: number) => {
    for (const { variable, base, direction } of moved)
      assignValues(
        variable,
        base.map((each, i) => each + step * (direction[i] as number)),
      );
    return measure();
  };
  const found: number[] = [];
  try {
    for (const step of STEPS) {
      const [up, down] = [await at(step), await at(-step)];
      const quotient = (up.loss - down.loss) / (2 * step);
      const allowed = TOLERANCE * Math.max(expected, Math.abs(quotient));
      if (Math.abs(quotient - expected) <= allowed) return;
      // A quotient below the rounding errors proves nothing.
      if (up.noise + down.noise < 2 * step * allowed) found.push(quotient);
    }
  } finally {
    for (const { variable, base } of moved) assignValues(variable, base);
  }
  if (found.length === 0 || isApproaching(found, expected)) return;
  const names = listNames(group.map(({ name }) => name));
  const slopes = found.map((each) => each.toPrecision(3)).join(', ');
  throw unsupported(
    `gradients of ${names} are wrong on the backend "${tf.getBackend()}": expected slope ${expected.toPrecision(3)}, measured ${slopes}`,
  );
}

/**
 * A network may be so rough that no step is small enough: then each quotient is well closer to the slope than
 * the one of the step before.
 */
function isApproaching(quotients: readonly number[], slope: number): boolean {
  const [before, last] = quotients.slice(-2).map((each) => Math.abs(each - slope));
  return last !== undefined && last < (1 - TOLERANCE) * (before as number);
}

function norm(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, each) => sum + each * each, 0));
}

function listNames(names: readonly string[]): string {
  const shown = names.slice(0, 3).map((name) => `"${name}"`);
  return `${shown.join(', ')}${names.length > 3 ? ` and ${names.length - 3} more` : ''}`;
}

function unsupported(problem: string, cause?: unknown): NeuralDiffError {
  return new NeuralDiffError('unsupported-model', `Cannot train: ${problem}`, { cause });
}
