import * as tf from '@tensorflow/tfjs';
import type { Recorder, Value } from './recorder.js';

/** @returns the order of the dimensions with channels last */
export function lastOrder(rank: number): number[] {
  return [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1];
}

/** @returns the order of the dimensions of ONNX, given channels last */
function plainOrder(rank: number): number[] {
  return [0, rank - 1, ...Array.from({ length: rank - 2 }, (_, i) => i + 1)];
}

/** Transposes; without a copy where all moved dimensions but one are 1. */
export function permute(x: tf.Tensor, order: readonly number[]): tf.Tensor {
  const shape = order.map((axis) => x.shape[axis] as number);
  const moved = order.filter((axis) => x.shape[axis] !== 1);
  const isInOrder = moved.every((axis, i) => i === 0 || axis > (moved[i - 1] as number));
  return isInOrder ? tf.reshape(x, shape) : tf.transpose(x, [...order]);
}

/** @returns the value with channels last; it has 3 dimensions or more */
export function lastOf(recorder: Recorder, value: Value): Value {
  if (value.isLast) return value;
  const compute = (x: tf.Tensor): tf.Tensor => permute(x, lastOrder(x.rank));
  return recorder.derive(value, { key: 'channels last', compute, isLast: true });
}

/** @returns the value in the shape that ONNX defines */
export function plainOf(recorder: Recorder, value: Value): Value {
  if (!value.isLast) return value;
  const compute = (x: tf.Tensor): tf.Tensor => permute(x, plainOrder(x.rank));
  return recorder.derive(value, { key: 'channels second', compute });
}

/** @returns the shape that ONNX defines */
export function shapeOf({ tensor, isLast }: Value): number[] {
  return isLast ? plainOrder(tensor.rank).map((axis) => tensor.shape[axis] as number) : tensor.shape.slice();
}

/** @returns the axis of a tensor for an axis of ONNX, which may be negative */
export function axisOf({ tensor: { rank }, isLast }: Value, axis: number): number {
  const whole = axis < 0 ? axis + rank : axis;
  return isLast ? lastOrder(rank).indexOf(whole) : whole;
}

/**
 * Brings the inputs of an operator that computes each element on its own into one layout: channels last if
 * one of them has it.
 */
export function alignLayouts(
  recorder: Recorder,
  inputs: readonly (Value | undefined)[],
): { values: (Value | undefined)[]; isLast: boolean } {
  const rank = Math.max(...inputs.map((input) => input?.tensor.rank ?? 0));
  const last = inputs.filter((input) => input?.isLast);
  const isLast = last.length > 0 && last.every((input) => input?.tensor.rank === rank);
  const align = (value: Value): Value => {
    if (!isLast) return plainOf(recorder, value);
    if (value.isLast || value.tensor.size === 1) return value;
    const whole = recorder.derive(value, { key: `rank ${rank}`, compute: (x) => leftPadded(x, rank) });
    return lastOf(recorder, whole);
  };
  return { values: inputs.map((input) => input && align(input)), isLast };
}

function leftPadded(x: tf.Tensor, rank: number): tf.Tensor {
  return x.rank === rank ? x : tf.reshape(x, [...Array(rank - x.rank).fill(1), ...x.shape]);
}
