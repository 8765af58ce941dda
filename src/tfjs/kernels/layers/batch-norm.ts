import * as tf from '@tensorflow/tfjs';
import { allocateFloats, borrowFloats, type KernelCall, sizeOf } from '../backend.js';
import { registerOwnKernel, runOwnKernel } from '../own-kernels.js';
import type { Simd } from '../simd/module.js';
import { onlyTensor, overrideGradient, overrideMethod, SAMPLE_NAME } from './override.js';

/** The parts of the TensorFlow.js batch norm layer used here, as of version 4.22. */
interface BatchNormLayer {
  readonly axis: number;
  readonly epsilon: number;
  readonly momentum: number;
  readonly gamma?: Weight | null;
  readonly beta?: Weight | null;
  readonly movingMean: Weight;
  readonly movingVariance: Weight;
}

interface Weight {
  read(): tf.Tensor1D;
  write(value: tf.Tensor): unknown;
}

/** Computes a batch norm's gradient in two passes over the batch, and its statistics in two. */
export function overrideBatchNorm(): void {
  registerOwnKernel('NeuralDiffMoments', moments);
  registerOwnKernel('NeuralDiffBatchNormGradient', batchNormGradient);
  overrideGradient('FusedBatchNorm', inferenceGradient);
  const layer = tf.layers.batchNormalization({ name: SAMPLE_NAME });
  const attempt = (self: BatchNormLayer, inputs: tf.Tensor | tf.Tensor[], options: { training?: boolean }) =>
    normaliseBatch(self, inputs, options);
  overrideMethod(Object.getPrototypeOf(layer), 'call', attempt);
}

type Channels = 'mean' | 'variance';

/** A tensor as [rows, columns] with channels as columns. */
function matrixOf(shape: readonly number[]): { rows: number; columns: number } {
  const columns = shape.at(-1) ?? 1;
  return { rows: columns === 0 ? 0 : sizeOf(shape) / columns, columns };
}

/** @returns mean and variance of each channel */
function moments({ inputs, backend }: KernelCall<'x', unknown>, simd: Simd): tf.TensorInfo[] {
  const { rows, columns } = matrixOf(inputs.x.shape);
  const [mean, variance] = [allocateFloats(backend, [columns]), allocateFloats(backend, [columns])];
  const [x, m] = [simd.pointer(inputs.x), simd.pointer(mean)];
  simd.run.sumRows(x, rows, columns, 1 / rows, m);
  simd.run.sumDeviations(0, x, m, rows, columns, 1 / rows, simd.pointer(variance));
  return [mean, variance];
}

type GradientCall = KernelCall<'dy' | 'x' | Channels, { epsilon: number; isTraining: boolean }> & {
  readonly inputs: { readonly scale?: tf.TensorInfo };
};

/**
 * Source: S. Ioffe, C. Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal
 * Covariate Shift", 2015, section 3.
 *
 * @returns gradients with respect to x, offset, scale, mean and variance; in training the last two are part
 *   of the first
 */
function batchNormGradient({ inputs, backend, attrs }: GradientCall, simd: Simd): tf.TensorInfo[] {
  const { rows, columns } = matrixOf(inputs.x.shape);
  const allocate = () => allocateFloats(backend, [columns]);
  const [dOffset, dScale, dMean, dVariance] = [allocate(), allocate(), allocate(), allocate()];
  const [factor, slope, shift] = [allocate(), allocate(), allocate()];
  const dx = allocateFloats(backend, inputs.x.shape);
  const at = (tensor: tf.TensorInfo) => simd.pointer(tensor);
  const [dy, x, mean] = [at(inputs.dy), at(inputs.x), at(inputs.mean)];
  simd.run.sumRows(dy, rows, columns, 1, at(dOffset));
  simd.run.sumDeviations(dy, x, mean, rows, columns, 1, at(dScale));
  const views = [dOffset, dScale, dMean, dVariance, factor, slope, shift].map((t) =>
    borrowFloats(backend, t),
  );
  const [sums, products, byMean, byVariance, factors, slopes, shifts] = views as Seven<Float32Array>;
  const variance = borrowFloats(backend, inputs.variance);
  const scale = inputs.scale && borrowFloats(backend, inputs.scale);
  for (let i = 0; i < columns; i++) {
    const inverse = 1 / Math.sqrt((variance[i] as number) + attrs.epsilon);
    const [sum, product] = [sums[i] as number, products[i] as number];
    const scaled = (scale?.[i] ?? 1) * inverse;
    factors[i] = scaled;
    slopes[i] = (-scaled * inverse * inverse * product) / rows;
    shifts[i] = (-scaled * sum) / rows;
    byMean[i] = -scaled * sum;
    byVariance[i] = -0.5 * scaled * inverse * inverse * product;
    products[i] = product * inverse;
  }
  if (attrs.isTraining) {
    simd.run.normaliseGradient(dy, x, mean, at(factor), at(slope), at(shift), rows, columns, at(dx));
  } else simd.run.scaleColumns(dy, at(factor), rows, columns, at(dx));
  for (const { dataId } of [factor, slope, shift]) backend.disposeData(dataId);
  return [dx, dOffset, dScale, dMean, dVariance];
}

type Seven<T> = [T, T, T, T, T, T, T];

/** The gradient of a batch norm with given statistics. */
function inferenceGradient(
  dy: tf.Tensor | tf.Tensor[],
  saved: tf.Tensor[],
  attrs: tf.NamedAttrMap,
): Record<string, () => tf.Tensor> | undefined {
  const [x, mean, variance, scale] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor?];
  const isByChannel = [mean, variance, scale].every((t) => !t || (t.rank === 1 && t.size === x.shape.at(-1)));
  if (!isByChannel || x.size === 0) return undefined;
  const inputs = { dy: dy as tf.Tensor, x, mean, variance, ...(scale && { scale }) };
  const epsilon = attrs.varianceEpsilon as number;
  // The engine disposes of everything that an entry creates except its own gradient, so create all of them
  // before.
  const gradients = runOwnKernel('NeuralDiffBatchNormGradient', inputs, { epsilon, isTraining: false });
  const take = (index: number) => () => gradients[index] as tf.Tensor;
  return { x: take(0), offset: take(1), scale: take(2), mean: take(3), variance: take(4) };
}

function normaliseBatch(
  layer: BatchNormLayer,
  inputs: tf.Tensor | tf.Tensor[],
  options: { training?: boolean },
): tf.Tensor | undefined {
  const x = onlyTensor(inputs);
  if (options?.training !== true || x === undefined || x.rank < 2 || x.size === 0) return undefined;
  const isLast = layer.axis === -1 || layer.axis === x.rank - 1;
  if (!isLast || !layer.gamma || !layer.beta || x.dtype !== 'float32') return undefined;
  const [gamma, beta] = [layer.gamma.read(), layer.beta.read()];
  return tf.tidy(() => {
    const [mean, variance] = runOwnKernel('NeuralDiffMoments', { x }) as [tf.Tensor1D, tf.Tensor1D];
    moveAverage(layer.movingMean, mean, layer.momentum);
    moveAverage(layer.movingVariance, variance, layer.momentum);
    return normaliseWith({ mean, variance, epsilon: layer.epsilon }, { x, gamma, beta });
  });
}

/** Updates the moving statistics like the layer itself. */
function moveAverage(average: Weight, value: tf.Tensor, momentum: number): void {
  const before = average.read();
  average.write(tf.sub(before, tf.mul(tf.sub(before, value), 1 - momentum)));
}

function normaliseWith(
  { mean, variance, epsilon }: { mean: tf.Tensor1D; variance: tf.Tensor1D; epsilon: number },
  inputs: { x: tf.Tensor; gamma: tf.Tensor1D; beta: tf.Tensor1D },
): tf.Tensor {
  const normalise = tf.customGrad((...given: unknown[]) => {
    const [x, gamma, beta, save] = given as [tf.Tensor, tf.Tensor1D, tf.Tensor1D, tf.GradSaveFunc];
    save([x, gamma, mean, variance]);
    const matrix = tf.reshape(x, [-1, 1, 1, gamma.size]) as tf.Tensor4D;
    const normed = tf.batchNorm4d(matrix, mean, variance, beta, gamma, epsilon);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => {
      const [x, scale, mean, variance] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
      const gradients = runOwnKernel(
        'NeuralDiffBatchNormGradient',
        { dy, x, mean, variance, scale },
        { epsilon, isTraining: true },
      );
      const [dx, dOffset, dScale] = gradients as [tf.Tensor, tf.Tensor, tf.Tensor];
      return [dx, dScale, dOffset];
    };
    return { value: tf.reshape(normed, x.shape), gradFunc };
  });
  return normalise(inputs.x, inputs.gamma, inputs.beta);
}
