import * as tf from '@tensorflow/tfjs';
import type { TensorInfo } from '../../src/model/tensor.js';
import type { SparseOp } from '../../src/payload/diff.js';
import { quantiseNonZero } from '../../src/sparse-diff/mask.js';
import { positionsAbove, saliencyOf, thresholds } from '../../src/sparse-diff/saliency.js';
import { infoOf } from '../../src/tfjs/weights.js';
import { valuesOf } from '../../src/train/part.js';
import { buildModel, MODELS } from './train-models.js';
import '@tensorflow/tfjs-backend-wasm';
import { useBackend } from 'neural-diff/tfjs';
import { createTask, fineTune } from 'neural-diff/train';
import { createRandom } from '../../src/train/random.js';

const SIDE = 28;
const CLASSES = 10;
const LEVEL_BITS = 3;

/** What training moved, ready to be cut at any density. */
export interface TrainedChange {
  readonly tensors: readonly TensorInfo[];
  /** @returns the ops on the weights that matter most, by Fisher information times squared change */
  cut(density: number): SparseOp[];
}

/**
 * Pictures with a class each: three blobs at places of the class, moved by a pixel or two, on an empty
 * ground.
 */
function pictures(count: number, style: { seed: number; spread: number; strength: number }) {
  const places = createRandom(5);
  const random = createRandom(style.seed);
  const blobs = Array.from({ length: 3 * CLASSES }, () => [4 + 20 * places(), 4 + 20 * places()] as const);
  const xs = new Float32Array(count * SIDE * SIDE);
  for (let i = 0; i < count; i++) {
    const [right, down] = [4 * random() - 2, 4 * random() - 2];
    for (const [x, y] of blobs.slice(3 * (i % CLASSES), 3 * (i % CLASSES) + 3))
      for (let at = 0; at < SIDE * SIDE; at++) {
        const distance = ((at % SIDE) - x - right) ** 2 + (Math.floor(at / SIDE) - y - down) ** 2;
        const value = style.strength * Math.exp(-distance / style.spread) + 0.02 * (random() - 0.5);
        const pixel = i * SIDE * SIDE + at;
        if (distance < 40) xs[pixel] = (xs[pixel] as number) + value;
      }
  }
  const labels = Int32Array.from({ length: count }, (_, i) => i % CLASSES);
  const ys = tf.tidy(() => tf.cast(tf.oneHot(tf.tensor1d(labels, 'int32'), CLASSES), 'float32'));
  return { xs: tf.tensor(xs, [count, SIDE * SIDE]), ys };
}

/** Trains a dense network on pictures, then on pictures of another style. */
export async function trainChange(examples: number): Promise<TrainedChange> {
  await useBackend('wasm');
  const model = buildModel(MODELS[0] as (typeof MODELS)[number]);
  const random = createRandom(3);
  // Weights of a seed, as Glorot and Bengio scale them: TensorFlow.js draws others each time.
  const drawn = model.getWeights().map((weight) => {
    const [inputs = 0, outputs] = weight.shape;
    const reach = outputs === undefined ? 0 : Math.sqrt(6 / (inputs + outputs));
    return tf.tensor(
      Float32Array.from({ length: weight.size }, () => reach * (2 * random() - 1)),
      weight.shape,
    );
  });
  model.setWeights(drawn);
  const task = createTask(model);
  const before = pictures(examples, { seed: 1, spread: 4, strength: 1 });
  const after = pictures(examples, { seed: 2, spread: 9, strength: 0.6 });
  await model.fit(before.xs, before.ys, { epochs: 3, batchSize: 32, verbose: 0, shuffle: false });
  const { deltas, fisher } = await fineTune({ task, train: after, epochs: 4 });
  tf.dispose([before, after, drawn]);
  const tensors = task.weights.map(infoOf).filter(({ shape }) => shape.length > 1);
  const saliency = new Map(
    tensors.map(({ name }) => [
      name,
      saliencyOf(valuesOf(deltas, name), valuesOf(fisher, name), { kind: 'fisher' }),
    ]),
  );
  return {
    tensors,
    cut(density) {
      const positions = positionsAbove(saliency, thresholds(saliency, density, 'global'));
      return tensors.flatMap(({ name }): SparseOp[] => {
        const places = positions.get(name);
        if (places === undefined) return [];
        const changes = valuesOf(deltas, name);
        const values = Float32Array.from(places, (place) => changes[place] as number);
        const { levels, scale } = quantiseNonZero(values, LEVEL_BITS);
        return [{ kind: 'sparse', tensor: name, positions: places, levels, scale }];
      });
    },
  };
}
