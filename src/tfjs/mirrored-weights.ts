import * as tf from '@tensorflow/tfjs';
import { NeuralDiffError, type WeightStore } from '../model/index.js';
import { bytesOf } from './live-memory.js';
import { assignValues, infoOf, type NamedWeight } from './weights.js';

type Values = Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>;

/** Floats that backends lose first: denormals, minus zero, NaN with a payload, infinity, the last bit of a fraction. */
const AWKWARD_FLOATS = [
  1, 0x80000001, 0x007fffff, 0x80000000, 0x7fc12345, 0xff800000, 0x3f800001, 0x7f7fffff,
];

/** Integers that floats of 32 bits do not hold. */
const AWKWARD_INTEGERS = [2 ** 24 + 1, 2 ** 31 - 1, -(2 ** 31), -(2 ** 24) - 3];

/** Elements of a probe: backends keep and compute smaller tensors in other ways. */
const PROBE_SIDE = 64;

/**
 * Copies the weights of a live model into memory, for backends whose own memory nobody else can write, or does not hold the bits
 * that it was given. What a device has is in these copies then; its kernels compute with what the backend makes of them.
 *
 * @param source has the weights, bit for bit; the backend is asked unless given
 * @returns copies by name
 * @throws NeuralDiffError `unsupported-model` where assigned weights do not reach the kernels, or no source is given and the
 *   backend does not give back the bits that it was given; `wrong-layout` for a source of another model
 */
export async function mirrorWeights(
  weights: readonly NamedWeight[],
  source: WeightStore | undefined,
): Promise<Map<string, Values>> {
  const mirrors = new Map<string, Values>();
  if (source) checkSource(weights, source);
  for (const dtype of new Set(weights.map((weight) => infoOf(weight).dtype)))
    await checkBackend(dtype as 'float32' | 'int32', source !== undefined);
  for (const { name, variable } of weights) {
    const values = (await variable.data()).slice() as Values;
    await source?.readInto(name, 0, bytesOf(values));
    mirrors.set(name, values);
  }
  return mirrors;
}

function checkSource(weights: readonly NamedWeight[], { tensors }: WeightStore): void {
  const layouts = new Map(tensors.map(({ name, dtype, shape }) => [name, `${dtype}[${shape}]`]));
  for (const { name, dtype, shape } of weights.map(infoOf)) {
    const [expected, found = 'none'] = [`${dtype}[${shape}]`, layouts.get(name)];
    if (found === expected) continue;
    const message = `Cannot patch the live model: expected the weights that it was loaded with to have "${name}" as ${expected}, got ${found}`;
    throw new NeuralDiffError('wrong-layout', message);
  }
}

/** Tries, with a tensor of awkward values that a kernel has used, what the backend gives back, and whether another assigned one counts. */
async function checkBackend(dtype: 'float32' | 'int32', hasSource: boolean): Promise<void> {
  const values = awkward(dtype);
  const probe = tf.tidy(() => tf.variable(tf.tensor(values.slice(), [PROBE_SIDE, PROBE_SIDE], dtype), false));
  try {
    // Only what a kernel has used is sure to be where kernels compute.
    await sumOf(probe);
    const found = bytesOf(await probe.data());
    const isExact = bytesOf(values).every((byte, i) => byte === found[i]);
    if (!isExact && !hasSource)
      throw unsupported(
        `gives other bits of ${dtype} back than it was given; hand over the weights that the model was loaded with`,
      );
    assignValues(probe, values.fill(3));
    if ((await sumOf(probe)) === 3 * PROBE_SIDE ** 2) return;
    throw unsupported('computes with the old values of a variable after new ones were assigned');
  } finally {
    probe.dispose();
  }
}

async function sumOf(probe: tf.Variable): Promise<number> {
  const sum = tf.sum(probe);
  const [value] = await sum.data();
  sum.dispose();
  return value as number;
}

function awkward(dtype: 'float32' | 'int32'): Values {
  const values = new Int32Array(PROBE_SIDE ** 2);
  if (dtype === 'int32') {
    values.set(AWKWARD_INTEGERS);
    return values;
  }
  values.fill(0x3f9e0653);
  values.set(AWKWARD_FLOATS);
  return new Float32Array(values.buffer);
}

function unsupported(problem: string): NeuralDiffError {
  const message = `Cannot patch the live model: the backend "${tf.getBackend()}" ${problem}`;
  return new NeuralDiffError('unsupported-model', message);
}
