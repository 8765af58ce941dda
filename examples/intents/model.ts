import * as tf from '@tensorflow/tfjs';
import { createSeeds } from '../common/seeds.js';
import { SENTENCE_TOKENS, VOCABULARY } from './tokens.js';

const EMBEDDING_SIZE = 32;

const RECURRENT_UNITS = 80;

/**
 * Create an untrained classifier of sentences: an embedding, a GRU over its tokens (Cho et al., "Learning
 * Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation", 2014), a dense
 * layer.
 *
 * @param classes outputs: a label each, of all updates to come
 * @param seed whole number that fixes the initial weights
 * @returns a model from `[batch, SENTENCE_TOKENS]` to class probabilities
 */
export function createIntentModel(classes: number, seed: number): tf.LayersModel {
  const nextSeed = createSeeds(seed);
  const input = tf.input({ shape: [SENTENCE_TOKENS] });
  const glorot = () => tf.initializers.glorotUniform({ seed: nextSeed() });
  const layers = [
    tf.layers.embedding({
      name: 'embedding',
      inputDim: VOCABULARY,
      outputDim: EMBEDDING_SIZE,
      embeddingsInitializer: tf.initializers.randomUniform({ minval: -0.05, maxval: 0.05, seed: nextSeed() }),
    }),
    tf.layers.gru({
      name: 'gru',
      units: RECURRENT_UNITS,
      kernelInitializer: glorot(),
      recurrentInitializer: glorot(),
    }),
    tf.layers.dense({ name: 'output', units: classes, activation: 'softmax', kernelInitializer: glorot() }),
  ];
  const output = layers.reduce((x, layer) => layer.apply(x) as tf.SymbolicTensor, input);
  return tf.model({ inputs: input, outputs: output });
}
