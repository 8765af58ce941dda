import * as tf from '@tensorflow/tfjs';
import { useBackend } from '../tfjs/backend.js';
import { modelFiles } from '../tfjs/layers-files.js';

/** What a starting recipe has for its base; recipes must not export `before` themselves. */
interface Starter {
  /** The examples that the base is trained with. */
  readonly before: (library: typeof tf) => { readonly xs: tf.Tensor2D; readonly ys: tf.Tensor2D };
  readonly loss: string;
}

const HIDDEN = [128, 64];
const TRAINING = { epochs: 8, batchSize: 32, shuffle: false, verbose: 0 } as const;

/**
 * Trains the small dense network that a new project has as its base. The same text gives the same weights.
 *
 * @param text the recipe, an ES module in JavaScript without imports
 * @returns contents by path: those of a LayersModel folder
 * @throws the signal's reason
 */
export async function trainStarter(text: string, signal: AbortSignal): Promise<Map<string, Uint8Array>> {
  // Bun takes what follows a dot in the address for a file's ending: Base64 has none.
  const module = Buffer.from(`${text}\nexport { before };`).toString('base64');
  const starter: Starter = await import(`data:text/javascript;base64,${module}`);
  await useBackend('wasm');
  const { xs, ys } = starter.before(tf);
  const model = createModel(xs.shape[1], ys.shape[1]);
  try {
    model.compile({ optimizer: tf.train.adam(0.003), loss: starter.loss });
    const onBatchEnd = async (): Promise<void> => signal.throwIfAborted();
    await model.fit(xs, ys, { ...TRAINING, callbacks: { onBatchEnd } });
    return await modelFiles(model);
  } finally {
    tf.dispose([xs, ys]);
    model.dispose();
  }
}

function createModel(inputs: number, classes: number): tf.LayersModel {
  const layer = (name: string, units: number, seed: number): tf.layers.Layer =>
    tf.layers.dense({
      name,
      units,
      activation: name === 'classes' ? 'softmax' : 'relu',
      kernelInitializer: tf.initializers.heNormal({ seed }),
      ...(seed === 1 && { inputShape: [inputs] }),
    });
  const hidden = HIDDEN.map((units, i) => layer(`hidden${i + 1}`, units, i + 1));
  return tf.sequential({ layers: [...hidden, layer('classes', classes, HIDDEN.length + 1)] });
}
