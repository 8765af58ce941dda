import * as tf from '@tensorflow/tfjs';
import { routeFrames } from './backlog.js';
import { SLOPE_UNIT } from './recogniser.js';

/** Options of the layer that mixes the branches. */
export interface RouteOptions {
  readonly name: string;
  readonly fastShare: number;
  /** Of the choices: 0 (default) for hard ones, as on devices; gradients need a softer choice. */
  readonly temperature?: number;
}

/** What a frame that waits takes from the score, before training. */
const FIRST_SLOPE = 0.3;

/**
 * Mixes the embeddings of two branches along the route that `routeFrames` finds. Inputs: scores, load, full
 * and fast embeddings; outputs: the mixture and the route. Its weight is the slope of the backlog.
 */
export class RouteLayer extends tf.layers.Layer {
  static readonly className = 'StreamingKeywordsRoute';
  /** Of the choices, saved with the model. */
  temperature: number;
  readonly #fastShare: number;
  #slope: tf.LayerVariable | undefined;

  constructor(options: RouteOptions) {
    super({ name: options.name });
    this.#fastShare = options.fastShare;
    this.temperature = options.temperature ?? 0;
  }

  override build(): void {
    this.#slope = this.addWeight(
      'slope',
      [1],
      'float32',
      tf.initializers.constant({ value: FIRST_SLOPE / SLOPE_UNIT }),
    );
    this.built = true;
  }

  override computeOutputShape(shapes: tf.Shape[]): tf.Shape[] {
    const [scores, , full] = shapes as [tf.Shape, tf.Shape, tf.Shape];
    return [full, [...scores.slice(0, -1), 2]];
  }

  override call(inputs: tf.Tensor[]): tf.Tensor[] {
    const [scores, load, full, fast] = inputs as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
    return tf.tidy(() => {
      const settings = { temperature: this.temperature, fastShare: this.#fastShare };
      const slope = tf.mul((this.#slope as tf.LayerVariable).read(), SLOPE_UNIT);
      const route = routeFrames(scores, { slope, load, settings });
      const share = tf.slice(route, [0, 0, 0], [-1, -1, 1]);
      return [tf.add(fast, tf.mul(share, tf.sub(full, fast))), route];
    });
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), fastShare: this.#fastShare, temperature: this.temperature };
  }
}

tf.serialization.registerClass(RouteLayer as unknown as tf.serialization.SerializableConstructor<RouteLayer>);
