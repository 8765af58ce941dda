import * as tf from '@tensorflow/tfjs';
import { numberOf, textOf } from '../attributes.js';
import type { Operator, OperatorTable } from '../operator.js';
import { axisOf, inputAt, productOf, withGradient, withoutGradient } from './arguments.js';
import { elementPlaces, rowPlaces, take } from './gather.js';

const scatterElements: Operator = (inputs, context) => {
  const [x, indices, updates] = [inputAt(inputs, 0), inputAt(inputs, 1), inputAt(inputs, 2)];
  const axis = axisOf(numberOf(context.node, 'axis', 0), x.rank);
  const places = elementPlaces(x.shape, indices, axis);
  const rows = { places, updates: tf.reshape(updates, [-1, 1]) };
  return tf.reshape(
    changeRows(tf.reshape(x, [-1, 1]), rows, textOf(context.node, 'reduction', 'none')),
    x.shape,
  );
};

const scatterNd: Operator = (inputs, context) => {
  const [x, indices, updates] = [inputAt(inputs, 0), inputAt(inputs, 1), inputAt(inputs, 2)];
  const depth = indices.shape.at(-1) as number;
  const width = productOf(x.shape.slice(depth));
  const places = rowPlaces(x.shape, indices, 0);
  const rows = { places, updates: tf.reshape(updates, [places.size, width]) };
  const changed = changeRows(tf.reshape(x, [-1, width]), rows, textOf(context.node, 'reduction', 'none'));
  return tf.reshape(changed, x.shape);
};

/** New values, or values to combine with the old ones, of the rows at some places. */
interface Rows {
  readonly places: tf.Tensor1D;
  readonly updates: tf.Tensor;
}

const COMBINE = { mul: tf.mul, max: tf.maximum, min: tf.minimum } as const;

/** @returns a matrix with some of its rows changed */
function changeRows(x: tf.Tensor, { places, updates }: Rows, reduction: string): tf.Tensor {
  if (reduction === 'none') return replaceRows(x, { places, updates });
  if (reduction === 'add') return tf.add(x, sumRows(x.shape[0] as number, { places, updates }));
  const combine = COMBINE[reduction as keyof typeof COMBINE];
  if (!combine) throw new Error(`expected a known reduction, got "${reduction}"`);
  if (new Set(places.dataSync()).size < places.size)
    throw new Error(`expected each place at most once for the reduction "${reduction}"`);
  return replaceRows(x, { places, updates: combine(take(x, places, 0), updates) });
}

function replaceRows(x: tf.Tensor, { places, updates }: Rows): tf.Tensor {
  const indices = withoutGradient(() => tf.reshape(places, [-1, 1]));
  const replace = (): tf.Tensor => tf.tensorScatterUpdate(x, indices, updates);
  if (x.dtype !== 'float32') return withoutGradient(replace);
  return withGradient({ inputs: [x, updates], saved: [indices] }, replace, (dy, [saved]) => {
    const at = saved as tf.Tensor;
    return [tf.tensorScatterUpdate(dy, at, tf.zeros(updates.shape)), tf.gather(dy, tf.reshape(at, [-1]))];
  });
}

/** @returns a matrix of `count` rows: the sums of those that go to each place */
function sumRows(count: number, { places, updates }: Rows): tf.Tensor {
  const add = (): tf.Tensor => tf.unsortedSegmentSum(updates, places, count);
  if (updates.dtype !== 'float32') return withoutGradient(add);
  return withGradient({ inputs: [updates], saved: [places] }, add, (dy, [at]) => [
    tf.gather(dy, at as tf.Tensor),
  ]);
}

/** Operators that change elements at some indices. */
export const SCATTERS: OperatorTable = {
  Scatter: scatterElements,
  ScatterElements: scatterElements,
  ScatterND: scatterNd,
};
