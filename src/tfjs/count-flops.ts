import type * as tf from '@tensorflow/tfjs';
import { countMultiplyAdds, shapedLayers } from './count-multiply-adds.js';

/** Floating-point operations of a network for one example. */
export interface FlopCount {
  readonly total: number;
  /** Of each use of a layer, in the order of the network. */
  readonly layers: readonly { readonly name: string; readonly flops: number }[];
}

/**
 * Counts the floating-point operations of a network: two for each multiplication that is added up, one for
 * each number that a layer without a kernel makes.
 *
 * @param options.openSize size of dimensions that the network leaves open, besides the batch: 1 counts what a
 *   frame of a stream takes; refused by default
 * @throws NeuralDiffError `unsupported-model` for sizes that are not fixed
 *
 * @example
 * const hidden = tf.layers.dense({ name: 'hidden', units: 16, inputShape: [4] });
 * const model = tf.sequential({ layers: [hidden, tf.layers.reLU({ name: 'relu' })] });
 * console.log(countFlops(model).total); // 2 · 4 · 16 + 16 = 144
 */
export function countFlops(model: tf.LayersModel, options: { readonly openSize?: number } = {}): FlopCount {
  const layers = shapedLayers(model, options.openSize).map((shaped) => {
    const hasKernel = shaped.layer.weights.some(
      ({ shape, name }) => shape.length > 1 && /kernel/i.test(name),
    );
    return { name: shaped.layer.name, flops: (hasKernel ? 2 : 1) * countMultiplyAdds(shaped) };
  });
  return { total: layers.reduce((sum, { flops }) => sum + flops, 0), layers };
}
