import * as tf from '@tensorflow/tfjs';
import { NeuralDiffError } from '../../../model/errors.js';
import { isWebgpu, MOST_INDEXES } from '../../memory.js';
import { allocateFloats, borrowFloats, type KernelCall } from '../backend.js';
import { activeSimd, registerOwnKernel, runOwnKernel } from '../own-kernels.js';

/**
 * Adds values to some elements of a tensor.
 *
 * @param weights float32 of any shape
 * @param positions row-major indices, each at most once
 * @param values one per position
 * @returns a new tensor of the same shape
 */
export function addAt(weights: tf.Tensor, positions: Uint32Array, values: Float32Array): tf.Tensor {
  if (activeSimd()) {
    return runOwnKernel('NeuralDiffAddAt', { weights }, { positions, values })[0] as tf.Tensor;
  }
  if (positions.length === 0) return tf.clone(weights);
  if (isWebgpu())
    return tf.add(weights, tf.reshape(place(positions, tf.tensor1d(values), weights.size), weights.shape));
  const result = weights.dataSync().slice() as Float32Array;
  scatter(result, positions, values);
  return tf.tensor(result, weights.shape);
}

/**
 * Gathers some elements of a tensor.
 *
 * @param positions row-major indices
 * @returns one value per position
 */
export function takeAt(values: tf.Tensor, positions: Uint32Array): tf.Tensor1D {
  if (activeSimd()) return runOwnKernel('NeuralDiffTakeAt', { values }, { positions })[0] as tf.Tensor1D;
  if (positions.length === 0) return tf.tensor1d([]);
  if (isWebgpu()) {
    const grid = gridOf(values.size);
    return tf.gatherND(tf.reshape(values, grid), indexesOf(positions, grid)) as tf.Tensor1D;
  }
  return tf.tensor1d(
    gather(new Float32Array(positions.length), values.dataSync() as Float32Array, positions),
  );
}

/**
 * Sets all other elements of a tensor to zero.
 *
 * @param positions row-major indices, each at most once
 * @returns a new tensor of the same shape
 */
export function maskAt(values: tf.Tensor, positions: Uint32Array): tf.Tensor {
  const zeros = tf.zerosLike(values);
  if (positions.length === 0) return zeros;
  const taken = takeAt(values, positions);
  if (isWebgpu()) return tf.reshape(place(positions, taken, values.size), values.shape);
  return addAt(zeros, positions, taken.dataSync() as Float32Array);
}

/** @returns zeros with values at some positions, in the shape of `gridOf` */
function place(positions: Uint32Array, values: tf.Tensor1D, size: number): tf.Tensor {
  const grid = gridOf(size);
  return tf.scatterND(indexesOf(positions, grid), values, grid);
}

/**
 * Larger tensors need two indices per element.
 *
 * @returns a shape of the given size with few enough rows
 */
function gridOf(size: number): [number, number] {
  let columns = 1;
  while (size % (2 * columns) === 0 && size / columns > 2 ** 12) columns *= 2;
  if (size / columns > MOST_INDEXES) {
    const message = `Cannot train on the backend "${tf.getBackend()}": expected tensors of at most ${MOST_INDEXES} elements, or of an even number, got ${size}`;
    throw new NeuralDiffError('unsupported-model', message);
  }
  return [size / columns, columns];
}

/** @returns rows and columns, [positions, 2] */
function indexesOf(positions: Uint32Array, [, columns]: [number, number]): tf.Tensor2D {
  const indexes = new Int32Array(2 * positions.length);
  for (let i = 0; i < positions.length; i++) {
    const position = positions[i] as number;
    indexes[2 * i] = Math.floor(position / columns);
    indexes[2 * i + 1] = position % columns;
  }
  return tf.tensor2d(indexes, [positions.length, 2], 'int32');
}

function gather(target: Float32Array, source: Float32Array, positions: Uint32Array): Float32Array {
  for (let i = 0; i < positions.length; i++) target[i] = source[positions[i] as number] as number;
  return target;
}

function scatter(target: Float32Array, positions: Uint32Array, values: Float32Array): void {
  for (let i = 0; i < positions.length; i++) {
    const place = positions[i] as number;
    target[place] = (target[place] as number) + (values[i] as number);
  }
}

/** Registers the kernels behind `addAt` and `takeAt`, which work on the backend's memory. */
export function registerSparseKernels(): void {
  registerOwnKernel('NeuralDiffAddAt', runAdd);
  registerOwnKernel('NeuralDiffTakeAt', runTake);
}

function runAdd({
  inputs,
  backend,
  attrs,
}: KernelCall<'weights', { positions: Uint32Array; values: Float32Array }>): tf.TensorInfo[] {
  const out = allocateFloats(backend, inputs.weights.shape);
  const target = borrowFloats(backend, out);
  target.set(borrowFloats(backend, inputs.weights));
  scatter(target, attrs.positions, attrs.values);
  return [out];
}

function runTake({
  inputs,
  backend,
  attrs: { positions },
}: KernelCall<'values', { positions: Uint32Array }>): tf.TensorInfo[] {
  const out = allocateFloats(backend, [positions.length]);
  gather(borrowFloats(backend, out), borrowFloats(backend, inputs.values), positions);
  return [out];
}
