import { createDecoder, type Decoder } from './decode.js';
import { type DenseLayer, type GruLayer, runDense, runGru } from './layers.js';

/** The slope in units of its weight: one number alone must learn faster than the many of a matrix. */
export const SLOPE_UNIT = 10;

/** The weights of a recogniser by name. Patched in place, they count from the next frame on. */
export type Weights = ReadonlyMap<string, Float32Array>;

/** What became of a frame. */
export interface FrameResult {
  /** Class of the word that ends here; undefined for none. */
  readonly word: number | undefined;
  /** Which branch ran. */
  readonly branch: 'full' | 'fast';
  readonly probabilities: Float32Array;
}

/** Recognises words in windows of features that come one by one. */
export interface Recogniser {
  /**
   * Runs the arbitrator, then the branch that it chooses and no other.
   *
   * @param window as `createFramer` makes them
   * @param waiting frames that wait behind this one, fractions included
   */
  push(window: Float32Array, waiting: number): FrameResult;
}

/** What a recogniser computes with. */
export interface Engine {
  /** @returns the score of the full branch: it runs at 0 and more; undefined if there is no choice */
  score(window: Float32Array, waiting: number): number | undefined;
  embed(branch: 'full' | 'fast', window: Float32Array): unknown;
  /** Takes an embedding, moves the recurrent state on, and returns the probabilities of the classes. */
  recognise(embedding: unknown): Float32Array;
}

/**
 * Starts a stream.
 *
 * @param threshold mean probability from which on a word is reported
 */
export function createRecogniser(
  engine: Engine,
  { classes, threshold }: { readonly classes: number; readonly threshold: number },
): Recogniser {
  const decoder: Decoder = createDecoder(classes, threshold);
  return {
    push(window, waiting) {
      const score = engine.score(window, waiting) ?? 0;
      const branch = score >= 0 ? 'full' : 'fast';
      const probabilities = engine.recognise(engine.embed(branch, window));
      return { word: decoder.push(probabilities), branch, probabilities };
    },
  };
}

/** Computes in plain JavaScript: small matrices need no runtime that would have to be loaded. */
export function createPlainEngine(weights: Weights): Engine {
  const layersOf = (branch: string): DenseLayer[] =>
    ['dense1', 'dense2', 'dense3'].flatMap((name) => {
      const factor = weights.get(`${branch}/${name}/factor/kernel`);
      const activation = name === 'dense3' ? ('tanh' as const) : ('relu' as const);
      const layer = denseOf(weights, `${branch}/${name}`, activation);
      return factor === undefined ? [layer] : [{ kernel: factor, activation: 'linear' as const }, layer];
    });
  const branches = {
    full: layersOf('full'),
    fast: weights.has('fast/dense1/kernel') ? layersOf('fast') : [],
  };
  const slope = weights.get('arbitrator/route/slope');
  const arbitrator = weights.has('arbitrator/dense1/kernel')
    ? [denseOf(weights, 'arbitrator/dense1', 'relu'), denseOf(weights, 'arbitrator/dense2', 'linear')]
    : undefined;
  const gru: GruLayer = {
    kernel: valuesOf(weights, 'words/gru/kernel'),
    recurrent: valuesOf(weights, 'words/gru/recurrent_kernel'),
    bias: valuesOf(weights, 'words/gru/bias'),
  };
  const output = denseOf(weights, 'words/output', 'softmax');
  let state = new Float32Array(gru.bias.length / 3);
  const run = (layers: readonly DenseLayer[], inputs: Float32Array): Float32Array =>
    layers.reduce((values, layer) => runDense(layer, values), inputs);
  return {
    score: (window, waiting) =>
      arbitrator && (run(arbitrator, window)[0] as number) - SLOPE_UNIT * (slope?.[0] ?? 0) * waiting,
    embed: (branch, window) => run(branches[branch], window),
    recognise(embedding) {
      state = runGru(gru, embedding as Float32Array, state) as Float32Array<ArrayBuffer>;
      return runDense(output, state);
    },
  };
}

function denseOf(weights: Weights, name: string, activation: DenseLayer['activation']): DenseLayer {
  return { kernel: valuesOf(weights, `${name}/kernel`), bias: valuesOf(weights, `${name}/bias`), activation };
}

function valuesOf(weights: Weights, name: string): Float32Array {
  const values = weights.get(name);
  if (values === undefined) throw new Error(`Cannot recognise words: the model has no weight "${name}"`);
  return values;
}
