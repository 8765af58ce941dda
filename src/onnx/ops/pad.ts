import * as tf from '@tensorflow/tfjs';
import { numberOf, numbersOf, textOf } from '../attributes.js';
import type { Operator, OperatorTable } from '../operator.js';
import { axisOf, checkedShape, countTo, inputAt, numbersFrom, valuesOf } from './arguments.js';
import { take } from './gather.js';

/** Elements to add at both ends of an axis; fewer than none take some off. */
interface Ends {
  readonly before: number;
  readonly after: number;
}

const pad: Operator = (inputs, context) => {
  const x = inputAt(inputs, 0);
  const pads =
    numbersFrom(inputs, 1, { name: 'pads', node: context.node }) ?? numbersOf(context.node, 'paddings') ?? [];
  const axes = inputs[3] ? valuesOf(inputs[3]).map((axis) => axisOf(axis, x.rank)) : countTo(x.rank);
  if (pads.length !== 2 * axes.length) throw new Error(`expected ${2 * axes.length} pads, got [${pads}]`);
  const ends = x.shape.map((_, axis): Ends => {
    const at = axes.indexOf(axis);
    return at < 0
      ? { before: 0, after: 0 }
      : { before: pads[at] as number, after: pads[axes.length + at] as number };
  });
  checkedShape(x.shape.map((size, axis) => size + (ends[axis] as Ends).before + (ends[axis] as Ends).after));
  const mode = textOf(context.node, 'mode', 'constant');
  if (mode === 'constant') {
    const value = inputs[2] ? (valuesOf(inputs[2])[0] as number) : numberOf(context.node, 'value', 0);
    return padWith(x, ends, value);
  }
  return ends
    .map(added)
    .reduce((padded, each, axis) => extend(padded, axis, { ...each, mode }), cut(x, ends));
};

/** @returns the tensor without what negative ends take off */
function cut(x: tf.Tensor, ends: readonly Ends[]): tf.Tensor {
  const off = (count: number): number => Math.max(0, -count);
  const starts = ends.map(({ before }) => off(before));
  const sizes = ends.map(({ before, after }, axis) => (x.shape[axis] as number) - off(before) - off(after));
  return tf.util.arraysEqual(sizes, x.shape) ? x : tf.slice(x, starts, sizes);
}

/** @returns what ends add, without what they take off */
function added({ before, after }: Ends): Ends {
  return { before: Math.max(0, before), after: Math.max(0, after) };
}

/** Pads with a number. */
function padWith(x: tf.Tensor, ends: readonly Ends[], value: number): tf.Tensor {
  const kept = cut(x, ends);
  const paddings = ends.map(added).map(({ before, after }): [number, number] => [before, after]);
  return paddings.flat().some((count) => count > 0) ? tf.pad(kept, paddings, value) : kept;
}

/** Pads an axis with elements of the tensor. The mirror padding of TensorFlow.js has a wrong gradient. */
function extend(x: tf.Tensor, axis: number, { before, after, mode }: Ends & { mode: string }): tf.Tensor {
  if (before === 0 && after === 0) return x;
  const size = x.shape[axis] as number;
  const place = PLACES[mode];
  if (!place) throw new Error(`expected a known mode, got "${mode}"`);
  if (size === 0) throw new Error(`expected elements along axis ${axis} of [${x.shape}]`);
  const indices = countTo(size + before + after).map((i) => place(i - before, size));
  return take(x, tf.tensor1d(indices, 'int32'), axis);
}

const modulo = (a: number, b: number): number => ((a % b) + b) % b;

/** The place of the element that an index before the start or after the end stands for. */
const PLACES: Readonly<Record<string, (index: number, size: number) => number>> = {
  edge: (index, size) => Math.min(Math.max(index, 0), size - 1),
  reflect: (index, size) => {
    const period = Math.max(1, 2 * (size - 1));
    const at = modulo(index, period);
    return at < size ? at : period - at;
  },
  wrap: modulo,
};

/** The operator that pads. */
export const PADS: OperatorTable = { Pad: pad };
