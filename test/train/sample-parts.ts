import * as tf from '@tensorflow/tfjs';
import { createHashPart } from '../../src/hash-diff/hash-part.js';
import { elementCount, type Model, type TensorInfo } from '../../src/model/tensor.js';
import { createAnnealedPart } from '../../src/sparse-diff/annealed-part.js';
import { createRewoundPart } from '../../src/sparse-diff/rewound-part.js';
import { positionsAbove, thresholds } from '../../src/sparse-diff/saliency.js';
import { createDensePart } from '../../src/train/dense-part.js';
import { createEmbeddingPart } from '../../src/train/embedding-part.js';
import { type DiffPart, readAll } from '../../src/train/part.js';
import { scalesFor } from '../../src/train/quantise.js';
import { createRandom } from '../../src/train/random.js';

/** The tensors that the sample parts change. */
export const TENSORS: readonly TensorInfo[] = [
  { name: 'a/kernel', dtype: 'float32', shape: [37, 11] },
  { name: 'b/kernel', dtype: 'float32', shape: [5, 3, 7] },
];

const random = createRandom(3);
const noise = (count: number, size: number): Float32Array =>
  Float32Array.from({ length: count }, () => size * (2 * random() - 1));
export const BASE = new Map(TENSORS.map((info) => [info.name, noise(elementCount(info), 1)]));
/** `BASE` as a model. */
export const MODEL: Model = {
  tensors: TENSORS.map((info) => {
    return { ...info, bytes: new Uint8Array((BASE.get(info.name) as Float32Array).slice().buffer) };
  }),
};
const POSITIONS = new Map(
  TENSORS.map((info) => [info.name, Uint32Array.from([0, 3, 4, 50, elementCount(info) - 1])]),
);

const hash = (coding: 'float' | 'ternary' | 'sign', block: number): DiffPart =>
  createHashPart({
    tensors: TENSORS,
    bucketCount: 29,
    block,
    seed: 5,
    coding,
    zeros: coding === 'ternary' ? 0.5 : 0,
    sizes: new Map([['b/kernel', 0.3]]),
  });
export const annealed = (): DiffPart =>
  createAnnealedPart(BASE, {
    saliency: 'fisher',
    scope: 'global',
    fixedFrom: 0.5,
    density: 0.1,
    bits: 3,
    temperatures: { first: 1, last: 0.05 },
    sizes: new Map([['a/kernel', 2]]),
    scaleOf: scalesFor([]),
    choose: (saliency) => positionsAbove(saliency, thresholds(saliency, 0.1, 'global')),
  });
/** A part that moves the rows of the first tensor along four directions. */
export const embedding = (): DiffPart =>
  createEmbeddingPart({
    info: TENSORS[0] as TensorInfo,
    directions: noise(4 * 11, 1.5),
    importance: new Float32Array(4 * 37).fill(1),
    size: 0.3,
    bits: 400,
    seed: 5,
    scaleOf: scalesFor([]),
  });
/** A part of every kind. */
export const PARTS: Readonly<Record<string, () => DiffPart>> = {
  'hash float, blocks of 1': () => hash('float', 1),
  'hash ternary, blocks of 8': () => hash('ternary', 8),
  'hash sign, blocks of 32': () => hash('sign', 32),
  'sparse rewound': () =>
    createRewoundPart(POSITIONS, {
      bits: 3,
      weightCount: 512,
      scaleOf: scalesFor([]),
      sizes: new Map([['b/kernel', 0.5]]),
    }),
  'sparse annealed': annealed,
  embedding,
  'dense, 3 bits per weight': () => createDensePart(BASE, { rate: 3, sizes: new Map([['a/kernel', 0.1]]) }),
  'dense, 1 bit a weight': () => createDensePart(BASE, { rate: 1 }),
};

/** @returns values on the backend */
export const upload = (values: ReadonlyMap<string, Float32Array>) =>
  new Map([...values].map(([name, array]) => [name, tf.tensor1d(array)]));

/** @returns gradients of noise */
export const noisyGradients = () =>
  upload(new Map(TENSORS.map((info) => [info.name, noise(elementCount(info), 1)])));

/** Takes some steps of plain gradient descent on random gradients. */
export async function train(part: DiffPart): Promise<void> {
  for (let step = 0; step < 20; step++) {
    await part.advance({ done: step / 20 });
    tf.tidy(() => {
      part.materialise(upload(BASE));
      part.pullBack(noisyGradients()).forEach((gradient, i) => {
        const variable = part.parameters[i] as tf.Variable;
        variable.assign(tf.sub(variable, tf.mul(gradient, 0.05)));
      });
    });
  }
  await part.read();
}

/** @returns the tensors with a part's changes added */
export async function materialised(
  part: DiffPart,
  base: ReadonlyMap<string, Float32Array>,
): Promise<Map<string, Float32Array>> {
  const live = tf.tidy(() => Object.fromEntries(part.materialise(upload(base))));
  const weights = await readAll(new Map(Object.entries(live)));
  tf.dispose(live);
  return new Map([...base, ...weights]);
}
