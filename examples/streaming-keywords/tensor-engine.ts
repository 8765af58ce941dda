import * as tf from '@tensorflow/tfjs';
import { namedWeights } from 'neural-diff/tfjs';
import { type Engine, SLOPE_UNIT } from './recogniser.js';

/** What TensorFlow.js keeps of a recurrent layer that is run step by step. */
interface Recurrent {
  readonly cell: { call(inputs: tf.Tensor[], options: object): tf.Tensor[] };
}

/**
 * Computes with TensorFlow.js on the active backend, in the live weights of a model.
 *
 * @param model as `createStreamModel` makes it
 */
export function createTensorEngine(model: tf.LayersModel): Engine & { dispose(): void } {
  const weights = new Map(namedWeights(model).map(({ name, variable }) => [name, variable]));
  const matrix = (name: string): tf.Tensor2D => weights.get(`${name}/kernel`) as unknown as tf.Tensor2D;
  const dense = (name: string, inputs: tf.Tensor, activation: 'relu' | 'linear'): tf.Tensor => {
    const bias = weights.get(`${name}/bias`);
    return tf.fused.matMul({ a: inputs, b: matrix(name), activation, ...(bias && { bias }) });
  };
  const embed = (branch: string, inputs: tf.Tensor): tf.Tensor =>
    ['dense1', 'dense2', 'dense3'].reduce((values, name) => {
      const layer = `${branch}/${name}`;
      const isFactorised = weights.has(`${layer}/factor/kernel`);
      const between = isFactorised ? dense(`${layer}/factor`, values, 'linear') : values;
      return name === 'dense3' ? tf.tanh(dense(layer, between, 'linear')) : dense(layer, between, 'relu');
    }, inputs);
  const { cell } = model.getLayer('words/gru') as unknown as Recurrent;
  const units = weights.get('words/gru/recurrent_kernel')?.shape[0] as number;
  let state = tf.keep(tf.zeros([1, units]));
  let held: tf.Tensor | undefined;
  const isRouted = weights.has('arbitrator/dense1/kernel');
  /** The frame that the arbitrator has seen is the one that the branch is to see. */
  const load = (window: Float32Array): tf.Tensor => tf.tensor2d(window, [1, window.length]);
  return {
    score(window, waiting) {
      if (!isRouted) return undefined;
      held = load(window);
      const score = tf.tidy(() => {
        const hidden = dense('arbitrator/dense1', held as tf.Tensor, 'relu');
        return dense('arbitrator/dense2', hidden, 'linear').dataSync()[0] as number;
      });
      return score - SLOPE_UNIT * (weights.get('arbitrator/route/slope')?.dataSync()[0] ?? 0) * waiting;
    },
    embed(branch, window) {
      const inputs = held ?? load(window);
      held = undefined;
      const embedding = tf.tidy(() => embed(branch, inputs));
      inputs.dispose();
      return embedding;
    },
    recognise(embedding) {
      const [next, probabilities] = tf.tidy(() => {
        const [after] = cell.call([embedding as tf.Tensor, state], {}) as [tf.Tensor];
        return [after, tf.softmax(dense('words/output', after, 'linear'))];
      }) as [tf.Tensor2D, tf.Tensor];
      tf.dispose([state, embedding as tf.Tensor]);
      state = tf.keep(next);
      const values = probabilities.dataSync() as Float32Array;
      probabilities.dispose();
      return values;
    },
    dispose: () => tf.dispose(state),
  };
}
