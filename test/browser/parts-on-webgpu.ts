// Runs in a page and in Node: what the parts of diffs compute on a backend.

import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-webgpu';
import type { NeuralDiffError } from '../../src/model/errors.js';
import { HALVES } from '../../src/model/float16.js';
import type { DType } from '../../src/model/tensor.js';
import { patchModel } from '../../src/payload/patch.js';
import { useBackend } from '../../src/tfjs/backend.js';
import { addAt, takeAt } from '../../src/tfjs/kernels/diff/sparse.js';
import { gridOf } from '../../src/train/grid.js';
import { readAll } from '../../src/train/part.js';
import { createRandom } from '../../src/train/random.js';
import { BASE, MODEL, materialised, PARTS, train, upload } from '../train/sample-parts.js';

/** What a part computed. */
export interface Computed {
  /** Bytes in which its tensors differ from those that its packed ops make of the base. */
  readonly differences: number;
  /** Gradients by its parameters, after some steps. */
  readonly pulled: readonly number[];
  /** Tensors left on the backend. */
  readonly leaked: number;
}

/**
 * Starts the webgpu backend.
 *
 * @returns the adapter's name
 */
export async function startDevice(): Promise<string> {
  await useBackend('webgpu');
  // Groups of threads that wait for each other take long on a processor: up to 0.1 s for a small product.
  tf.env().set('WEBGPU_MATMUL_PROGRAM_TYPE', 2);
  tf.env().set('WEBGPU_CONV_SEPARATE_IM2COL_SHADER', true);
  const { adapterInfo } = tf.backend() as unknown as { adapterInfo: { architecture: string } };
  return adapterInfo.architecture;
}

/** @returns whether a tensor was read synchronously, which the backend does through a canvas */
export function readsSynchronously(): boolean {
  return (tf.backend() as unknown as { hasReadSyncWarned: boolean }).hasReadSyncWarned;
}

/** Trains a sample part on the active backend. */
export async function computePart(name: string): Promise<Computed> {
  const before = tf.memory().numTensors;
  const part = (PARTS[name] as (typeof PARTS)[string])();
  await train(part);
  const tensors = await materialised(part, BASE);
  const packed = patchModel(MODEL, { ops: part.ops(0) });
  let differences = 0;
  for (const { name: tensor, bytes } of packed.tensors) {
    const found = new Uint8Array((tensors.get(tensor) as Float32Array).slice().buffer);
    differences += bytes.filter((byte, i) => byte !== found[i]).length;
  }
  const live = tf.tidy(() => {
    part.materialise(upload(BASE));
    return Object.fromEntries(part.pullBack(upload(BASE)).map((gradient, i) => [String(i), gradient]));
  });
  const pulled = await readAll(new Map(Object.entries(live)));
  tf.dispose(live);
  part.dispose();
  const leaked = tf.memory().numTensors - before;
  return { differences, pulled: [...pulled.values()].flatMap((values) => [...values]), leaked };
}

/**
 * Changes and takes the last elements of a tensor of zeros, one after the other.
 *
 * @returns them; the code of the refusal
 */
export async function touchLast(size: number): Promise<readonly number[] | string> {
  const places = Uint32Array.of(0, size - 2, size - 1);
  try {
    const taken = tf.tidy(() => takeAt(addAt(tf.zeros([size]), places, Float32Array.of(1, 2, 3)), places));
    return Array.from(await taken.data());
  } catch (error) {
    return (error as NeuralDiffError).code;
  }
}

/** Numbers of all magnitudes of a half-precision type: normal, denormal, zero. */
function numbers(): Float32Array {
  const random = createRandom(8);
  return Float32Array.from({ length: 3_000 }, (_, i) =>
    i === 0 ? 0 : (random() - 0.5) * 2 ** ((i % 36) - 22),
  );
}

/** @returns how many numbers are rounded in another way than in JavaScript */
export async function roundDifferently(dtype: DType & ('float16' | 'bfloat16' | 'int8')): Promise<number> {
  const values = numbers();
  const info = { name: 'a', dtype, shape: [values.length] };
  const bytes = new Uint8Array(0);
  const model = { tensors: [{ ...info, bytes }] };
  const base = { model, tensors: [info], trainable: new Map([['a', values]]), held: new Map() };
  const grid = gridOf({ ...base, quantization: new Map() });
  const rounded = tf.tidy(() => grid?.round('a', tf.tensor1d(values.slice()))) as tf.Tensor;
  const found = await rounded.data();
  rounded.dispose();
  return values.filter((value, i) => round(value, dtype) !== found[i]).length;
}

function round(value: number, dtype: 'float16' | 'bfloat16' | 'int8'): number {
  if (dtype === 'int8') return Math.min(127, Math.max(-128, Math.round(value)));
  const { narrow, widen } = HALVES[dtype];
  return widen(narrow(value));
}
