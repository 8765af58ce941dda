import { createDecoder, type Decoder } from './decode.js';
import { createDense, createGru, type DenseLayer, type RunLayer } from './layers.js';

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
  /** Of the classes; the engine writes into the same array at the next frame. */
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
  /** @returns what `recognise` takes, before the next frame */
  embed(branch: 'full' | 'fast', window: Float32Array): unknown;
  /** Moves the recurrent state on; returns probabilities of the classes, to be read before the next frame. */
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
  const branchOf = (branch: string): RunLayer =>
    inTurn(
      ['dense1', 'dense2', 'dense3'].flatMap((name) => {
        const kernel = weights.get(`${branch}/${name}/factor/kernel`);
        const layer = denseOf(weights, `${branch}/${name}`, name === 'dense3' ? 'tanh' : 'relu');
        return kernel === undefined ? [layer] : [createDense({ kernel, activation: 'linear' }), layer];
      }),
    );
  const full = branchOf('full');
  const fast = weights.has('fast/dense1/kernel') ? branchOf('fast') : full;
  const slope = weights.get('arbitrator/route/slope');
  const arbitrator = weights.has('arbitrator/dense1/kernel')
    ? inTurn([denseOf(weights, 'arbitrator/dense1', 'relu'), denseOf(weights, 'arbitrator/dense2', 'linear')])
    : undefined;
  const gru = createGru({
    kernel: valuesOf(weights, 'words/gru/kernel'),
    recurrent: valuesOf(weights, 'words/gru/recurrent_kernel'),
    bias: valuesOf(weights, 'words/gru/bias'),
  });
  const output = denseOf(weights, 'words/output', 'softmax');
  return {
    score: (window, waiting) =>
      arbitrator && (arbitrator(window)[0] as number) - SLOPE_UNIT * (slope?.[0] ?? 0) * waiting,
    embed: (branch, window) => (branch === 'full' ? full : fast)(window),
    recognise: (embedding) => output(gru(embedding as Float32Array)),
  };
}

function inTurn(layers: readonly RunLayer[]): RunLayer {
  return (inputs) => {
    let values = inputs;
    for (const run of layers) values = run(values);
    return values;
  };
}

function denseOf(weights: Weights, name: string, activation: DenseLayer['activation']): RunLayer {
  const [kernel, bias] = [valuesOf(weights, `${name}/kernel`), valuesOf(weights, `${name}/bias`)];
  return createDense({ kernel, bias, activation });
}

function valuesOf(weights: Weights, name: string): Float32Array {
  const values = weights.get(name);
  if (values === undefined) throw new Error(`Cannot recognise words: the model has no weight "${name}"`);
  return values;
}
