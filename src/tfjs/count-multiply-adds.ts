import type * as tf from '@tensorflow/tfjs';
import { NeuralDiffError } from '../model/errors.js';

/** One use of a layer in a network, with the shapes of one example. */
export interface ShapedLayer {
  readonly layer: tf.layers.Layer;
  readonly inputs: readonly (readonly number[])[];
  readonly outputs: readonly (readonly number[])[];
}

/**
 * Lists the layers of a network, once for each use.
 *
 * @param openSize size of dimensions that the network leaves open; refused by default
 * @throws NeuralDiffError `unsupported-model` for inputs or outputs of a layer whose size is not fixed
 */
export function shapedLayers(model: tf.LayersModel, openSize?: number): ShapedLayer[] {
  return model.layers
    .filter((layer) => layer.getClassName() !== 'InputLayer')
    .flatMap((layer) =>
      layer.inboundNodes.map(({ inputShapes, outputShapes }) => {
        const fixed = (shapes: tf.Shape | tf.Shape[]) => fixedShapes(layer, shapes, openSize);
        return { layer, inputs: fixed(inputShapes), outputs: fixed(outputShapes) };
      }),
    );
}

/**
 * Counts the multiplications that are added up in one use of a layer, for one example: kernels are applied at
 * each place of the output, of a transposed convolution at each place of the input, of a recurrent layer in
 * each step. Other layers touch each number of the output once.
 */
export function countMultiplyAdds({ layer, inputs, outputs }: ShapedLayer): number {
  const kernels = layer.weights.filter(({ shape, name }) => shape.length > 1 && /kernel/i.test(name));
  if (kernels.length === 0) return outputs.reduce((sum, shape) => sum + sizeOf(shape), 0);
  const size = kernels.reduce((sum, { shape }) => sum + sizeOf(shape as number[]), 0);
  return placesOf(layer, { inputs, outputs }, kernels) * size;
}

/** @returns how often the kernels of a layer are applied */
function placesOf(
  layer: tf.layers.Layer,
  { inputs, outputs }: Pick<ShapedLayer, 'inputs' | 'outputs'>,
  kernels: readonly { readonly name: string }[],
): number {
  const [input = []] = inputs;
  if (kernels.some(({ name }) => /recurrent/i.test(name))) return input[0] ?? 1;
  const shape = /Transpose$/.test(layer.getClassName()) ? input : outputs[0];
  return sizeOf((shape ?? []).slice(0, -1));
}

/** @returns how many numbers a shape has */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

function fixedShapes(layer: tf.layers.Layer, shapes: tf.Shape | tf.Shape[], openSize?: number): number[][] {
  const list = (Array.isArray(shapes[0]) ? shapes : [shapes]) as tf.Shape[];
  return list.map(([, ...open]) => {
    const sizes = open.map((size) => size ?? openSize ?? null);
    if (sizes.every((size) => size !== null)) return sizes as number[];
    const message = `Cannot measure layer "${layer.name}": expected inputs of fixed sizes, got [${sizes.map((size) => size ?? 'any')}]`;
    throw new NeuralDiffError('unsupported-model', message);
  });
}
