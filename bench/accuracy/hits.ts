import * as tf from '@tensorflow/tfjs';
import { putWeights, takeBase, variablesOf, withBaseRestored } from '../../src/train/session.js';
import type { Task } from '../../src/train/task.js';
import type { StageArrays } from '../common/prepare.js';

type Weights = Awaited<ReturnType<typeof takeBase>>['trainable'];

/** Examples at once. */
const BATCH = 256;

/** @returns 1 for every test example that some weights classify correctly, 0 for others; restores the base */
export async function hitsOf(
  { task, arrays }: { task: Task; arrays: Pick<StageArrays, 'test'> },
  weights: Weights,
): Promise<Uint8Array> {
  const { xs, ys } = arrays.test;
  const count = xs.shape[0] as number;
  const hits = new Uint8Array(count);
  return withBaseRestored(task, await takeBase(task), async () => {
    putWeights(variablesOf(task, weights), weights);
    for (let from = 0; from < count; from += BATCH) {
      const size = Math.min(BATCH, count - from);
      const right = tf.tidy(() => {
        const [output] = task.outputs([tf.slice(xs, from, size)]) as [tf.Tensor];
        return tf.equal(tf.argMax(output, -1), tf.argMax(tf.slice(ys, from, size), -1));
      });
      hits.set(await right.data(), from);
      right.dispose();
    }
    return hits;
  });
}

/** On how many test examples two models differ. */
export interface Flips {
  /** Correct in the full fine-tune alone. */
  readonly lost: number;
  /** Correct in the other alone. */
  readonly gained: number;
}

/** @returns what a model loses and gains next to the full fine-tune */
export function flipsOf(full: Uint8Array, other: Uint8Array): Flips {
  let [lost, gained] = [0, 0];
  for (const [i, hit] of full.entries()) {
    if (hit > (other[i] as number)) lost++;
    if (hit < (other[i] as number)) gained++;
  }
  return { lost, gained };
}

/**
 * Half of the 95 % interval of the mean gap to the full fine-tune, as a share of 1: 1.96 standard errors.
 * Their squares are the variance of the seeds' gaps over the number of seeds, plus the mean variance of the
 * paired difference per example. The latter is not divided by the number of seeds, whose test examples may be
 * the same; the interval is rather too wide than too narrow.
 *
 * @param tests examples of the test set
 */
export function intervalOf(seeds: readonly Flips[], tests: number): number {
  const gaps = seeds.map(({ lost, gained }) => (lost - gained) / tests);
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  const between = gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / Math.max(1, gaps.length - 1);
  const within = seeds.map(
    ({ lost, gained }, i) => ((lost + gained) / tests - (gaps[i] as number) ** 2) / tests,
  );
  const sampling = within.reduce((sum, each) => sum + each, 0) / seeds.length;
  return 1.96 * Math.sqrt(between / gaps.length + sampling);
}
