import * as tf from '@tensorflow/tfjs';
import { numbersOf } from '../attributes.js';
import type { ElementType, OnnxNode } from '../graph.js';

export type Inputs = readonly (tf.Tensor | undefined)[];

/** @returns an input that must be there */
export function inputAt(inputs: Inputs, index: number): tf.Tensor {
  const input = inputs[index];
  if (input === undefined) throw new Error(`expected input ${index}, which is left out`);
  return input;
}

/** @returns the numbers of a small tensor, such as axes or a shape */
export function valuesOf(tensor: tf.Tensor): number[] {
  return Array.from(tensor.dataSync());
}

/** @returns texts in an attribute; undefined if it is left out */
export function textsAt({ attributes }: OnnxNode, name: string): string[] | undefined {
  const value = attributes.get(name);
  if (value === undefined) return undefined;
  if (Array.isArray(value) && value.every((each) => typeof each === 'string')) return value;
  throw new Error(`expected texts in attribute "${name}"`);
}

/** @returns what later versions take as an input and earlier ones as an attribute */
export function numbersFrom(
  inputs: Inputs,
  index: number,
  { name, node }: { name: string; node: OnnxNode },
): readonly number[] | undefined {
  const input = inputs[index];
  return input ? valuesOf(input) : numbersOf(node, name);
}

/** @returns an axis counted from the first dimension */
export function axisOf(axis: number, rank: number): number {
  const whole = axis < 0 ? axis + rank : axis;
  if (whole >= 0 && whole < Math.max(1, rank)) return whole;
  throw new Error(`expected an axis from ${-rank} to ${rank - 1}, got ${axis}`);
}

export function productOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** @returns how many elements a step along each dimension passes over */
export function stridesOf(shape: readonly number[]): number[] {
  return shape.map((_, i) => productOf(shape.slice(i + 1)));
}

/** @returns the whole numbers below a count */
export function countTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** @returns how values of an ONNX type are held */
export function dtypeOf(type: ElementType): 'float32' | 'int32' | 'bool' {
  if (type === 'bool') return 'bool';
  return type.includes('float') ? 'float32' : 'int32';
}

/** Elements of a tensor that numbers in the file ask for: a gigabyte of floats. */
const MAX_MADE_ELEMENTS = 2 ** 28;

/** @returns the shape of a tensor that an operator makes of few numbers, such as a size and a value */
export function checkedShape(shape: readonly number[]): number[] {
  const isWhole = shape.every((size) => Number.isSafeInteger(size) && size >= 0);
  if (isWhole && productOf(shape) <= MAX_MADE_ELEMENTS) return [...shape];
  throw new Error(`expected at most ${MAX_MADE_ELEMENTS} elements, got [${shape}]`);
}

/** Computes a tensor that no gradient passes through: comparisons, indices, whole numbers. */
export function withoutGradient<T extends tf.Tensor>(compute: () => T): T {
  return tf.customGrad(() => ({ value: compute(), gradFunc: () => [] }))() as T;
}

/**
 * Computes a tensor from others, with its own gradients: one for each of `inputs`.
 *
 * @param tensors inputs, and what the gradients need besides: other tensors may be gone by then
 */
export function withGradient(
  { inputs, saved = [] }: { inputs: tf.Tensor[]; saved?: readonly tf.Tensor[] },
  compute: () => tf.Tensor,
  gradients: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.Tensor[],
): tf.Tensor {
  return tf.customGrad((...given: unknown[]) => {
    (given.at(-1) as tf.GradSaveFunc)([...saved]);
    return { value: compute(), gradFunc: gradients };
  })(...inputs);
}

/** @returns a tensor of larger shape, its elements repeated */
export function broadcastTo(x: tf.Tensor, shape: readonly number[]): tf.Tensor {
  if (tf.util.arraysEqual(x.shape, shape as number[])) return x;
  checkedShape(shape);
  if (x.dtype !== 'float32') return withoutGradient(() => tf.broadcastTo(x, shape as number[]));
  return withGradient(
    { inputs: [x] },
    () => tf.broadcastTo(x, shape as number[]),
    (dy) => [sumTo(dy, x.shape)],
  );
}

/** @returns sums over the axes along which a tensor of that shape would be repeated */
function sumTo(x: tf.Tensor, shape: readonly number[]): tf.Tensor {
  const more = x.rank - shape.length;
  const axes = countTo(x.rank).filter((i) => i < more || (shape[i - more] === 1 && x.shape[i] !== 1));
  return tf.reshape(axes.length > 0 ? tf.sum(x, axes, true) : x, shape as number[]);
}

/** @returns the shape that some shapes have together */
export function commonShape(...shapes: readonly (readonly number[])[]): number[] {
  return shapes.reduce<number[]>(
    (common, shape) => tf.broadcast_util.assertAndGetBroadcastShape(common, shape as number[]),
    [],
  );
}
