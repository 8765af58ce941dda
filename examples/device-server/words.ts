import * as tf from '@tensorflow/tfjs';
import { createRandom, type Random, uniform } from '../common/random.js';
import { createSeeds } from '../common/seeds.js';
import type { Examples } from '../common/staged-examples.js';

/** The base knows the first four words, the update adds the others. */
export const WORDS = ['yes', 'no', 'stop', 'go', 'left', 'right'] as const;
export const BASE_WORDS = 4;

/** Moments, bands and channels of a clip. */
export const CLIP_SHAPE = [16, 12, 1] as const;
const [MOMENTS, BANDS] = CLIP_SHAPE;

/**
 * @returns clips of the first so many words, made up from a seed: `each` of every word, one word after the
 * other
 */
export function makeClips(words: number, each: number, name: string): Examples {
  const size = MOMENTS * BANDS;
  const count = words * each;
  const features = new Float32Array(count * size);
  const random = createRandom(1, `clips/${name}`);
  for (let i = 0; i < count; i++) features.set(speak(Math.floor(i / each), random), i * size);
  const labels = Int32Array.from({ length: count }, (_, i) => Math.floor(i / each));
  return { features, shape: CLIP_SHAPE, labels, count };
}

/** A word is two tones that glide; each clip begins somewhat earlier or later, higher or lower, in noise. */
function speak(word: number, random: Random): Float32Array {
  const voice = createRandom(word, 'voice');
  const glides = [0, 1].map(() => ({ from: uniform(voice, 1, 10), to: uniform(voice, 1, 10) }));
  const [delay, pitch] = [uniform(random, -0.15, 0.15), uniform(random, -0.8, 0.8)];
  const clip = new Float32Array(MOMENTS * BANDS);
  for (let moment = 0; moment < MOMENTS; moment++) {
    const at = moment / (MOMENTS - 1) + delay;
    for (let band = 0; band < BANDS; band++) {
      const tones = glides.map(({ from, to }) => Math.exp(-((band - pitch - from - (to - from) * at) ** 2)));
      clip[moment * BANDS + band] = tones.reduce((a, b) => a + b, 0) + uniform(random, -0.5, 0.5);
    }
  }
  return clip;
}

/** @returns an untrained network of 16,406 weights from clips to the probabilities of all words */
export function createWordModel(): tf.LayersModel {
  const nextSeed = createSeeds(1);
  const { conv2d, maxPooling2d, flatten, dense } = tf.layers;
  const kernelInitializer = (): ReturnType<typeof tf.initializers.heNormal> =>
    tf.initializers.heNormal({ seed: nextSeed() });
  const shared = { kernelSize: 3, padding: 'same', activation: 'relu' } as const;
  return tf.sequential({
    layers: [
      conv2d({
        ...shared,
        name: 'first',
        filters: 24,
        inputShape: [...CLIP_SHAPE],
        kernelInitializer: kernelInitializer(),
      }),
      maxPooling2d({ name: 'halves', poolSize: 2 }),
      conv2d({ ...shared, name: 'second', filters: 32, kernelInitializer: kernelInitializer() }),
      flatten({ name: 'flat' }),
      dense({
        name: 'words',
        units: WORDS.length,
        activation: 'softmax',
        kernelInitializer: kernelInitializer(),
      }),
    ],
  });
}
