import * as tf from '@tensorflow/tfjs';
import { createSeeds } from '../common/seeds.js';
import { MAIL_TOKENS, VOCABULARY } from './tokens.js';

/** Numbers of a token throughout the model. */
const WIDTH = 32;

const HEADS = 2;

const HEAD_WIDTH = WIDTH / HEADS;

const HIDDEN_UNITS = 128;

type Sequence = tf.SymbolicTensor;

/**
 * Create an untrained classifier of mails: an embedding, a convolution that says where a token stands, one
 * transformer block (Vaswani et al., "Attention Is All You Need", 2017), the largest of each number over the
 * tokens, a dense layer. All of it are layers that TensorFlow.js has.
 *
 * @param classes outputs: a label each
 * @param seed whole number that fixes the initial weights
 * @returns a model from `[batch, MAIL_TOKENS]` to class probabilities
 */
export function createMailModel(classes: number, seed: number): tf.LayersModel {
  const nextSeed = createSeeds(seed);
  const glorot = () => tf.initializers.glorotUniform({ seed: nextSeed() });
  const dense = (name: string, units: number, activation: 'linear' | 'relu' | 'softmax' = 'linear') =>
    tf.layers.dense({ name, units, activation, kernelInitializer: glorot() });
  const add = (name: string, a: Sequence, b: Sequence): Sequence => {
    const sum = tf.layers.add({ name }).apply([a, b]) as Sequence;
    return tf.layers.layerNormalization({ name: `${name}_norm` }).apply(sum) as Sequence;
  };
  const head = (x: Sequence, i: number): Sequence => {
    const [queries, keys, values] = ['query', 'key', 'value'].map(
      (part) => dense(`${part}${i}`, HEAD_WIDTH).apply(x) as Sequence,
    ) as [Sequence, Sequence, Sequence];
    // The usual division by the root of a head's width is left to the weights of queries and keys.
    const scores = tf.layers.dot({ name: `scores${i}`, axes: [2, 2] }).apply([queries, keys]) as Sequence;
    const shares = tf.layers.softmax({ name: `shares${i}`, axis: -1 }).apply(scores) as Sequence;
    return tf.layers.dot({ name: `head${i}`, axes: [2, 1] }).apply([shares, values]) as Sequence;
  };
  const input = tf.input({ shape: [MAIL_TOKENS] });
  const embedded = tf.layers
    .embedding({
      name: 'embedding',
      inputDim: VOCABULARY,
      outputDim: WIDTH,
      embeddingsInitializer: tf.initializers.randomUniform({ minval: -0.05, maxval: 0.05, seed: nextSeed() }),
    })
    .apply(input) as Sequence;
  const places = tf.layers
    .conv1d({ name: 'places', filters: WIDTH, kernelSize: 3, padding: 'same', kernelInitializer: glorot() })
    .apply(embedded) as Sequence;
  const placed = add('placed', embedded, places);
  const heads = Array.from({ length: HEADS }, (_, i) => head(placed, i + 1));
  const joined = tf.layers.concatenate({ name: 'heads' }).apply(heads) as Sequence;
  const attended = add('attended', placed, dense('attention', WIDTH).apply(joined) as Sequence);
  const hidden = dense('hidden', HIDDEN_UNITS, 'relu').apply(attended) as Sequence;
  const block = add('block', attended, dense('shrunk', WIDTH).apply(hidden) as Sequence);
  const pooled = tf.layers.globalMaxPooling1d({ name: 'pooled' }).apply(block);
  return tf.model({ inputs: input, outputs: dense('output', classes, 'softmax').apply(pooled) as Sequence });
}
