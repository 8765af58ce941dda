import * as tf from '@tensorflow/tfjs';
import { FRAME_FEATURES, WINDOW_FEATURES, WINDOW_FRAMES } from './frames.js';

/** Puts each frame together with those before it: [frames + 5, 80] to [frames, 480]. */
export class WindowLayer extends tf.layers.Layer {
  static readonly className = 'StreamingKeywordsWindows';

  override computeOutputShape([batch, frames]: tf.Shape): tf.Shape {
    return [batch as number | null, frames == null ? null : frames - WINDOW_FRAMES + 1, WINDOW_FEATURES];
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const frames = (Array.isArray(inputs) ? inputs[0] : inputs) as tf.Tensor3D;
    const count = frames.shape[1] - WINDOW_FRAMES + 1;
    return tf.tidy(() => {
      const shifted = Array.from({ length: WINDOW_FRAMES }, (_, i) =>
        tf.slice(frames, [0, i, 0], [-1, count, FRAME_FEATURES]),
      );
      return tf.concat(shifted, -1);
    });
  }
}

tf.serialization.registerClass(
  WindowLayer as unknown as tf.serialization.SerializableConstructor<WindowLayer>,
);
