import * as tf from '@tensorflow/tfjs';
import { NeuralDiffError } from '../model/errors.js';
import { createRandom, shuffledIndexes } from './random.js';

/** One tensor, or several by place or by the name of the model's input or output. */
export type Tensors = tf.Tensor | tf.Tensor[] | { [name: string]: tf.Tensor };

/** A whole set of examples in memory; the first dimension counts them. */
export interface ArrayData {
  readonly xs: Tensors;
  readonly ys: Tensors;
}

/** Examples to learn from or to measure with: whole arrays, or a dataset that is batched already. */
export type Data = ArrayData | tf.data.Dataset<tf.TensorContainer>;

/** Some examples, in the order of the model's inputs and outputs. */
export interface Batch {
  readonly xs: tf.Tensor[];
  readonly ys: tf.Tensor[];
  /** Which examples of an array set these are. */
  readonly indexes?: tf.Tensor1D;
}

/** @returns whether a set is whole arrays */
export function isArrayData(data: Data): data is ArrayData {
  return 'xs' in data && 'ys' in data;
}

/**
 * Brings tensors into the order of the model's inputs or outputs.
 *
 * @throws NeuralDiffError `bad-data` for another number of tensors or an unknown name
 */
export function listTensors(tensors: Tensors, names: readonly string[]): tf.Tensor[] {
  const list =
    tensors instanceof tf.Tensor
      ? [tensors]
      : Array.isArray(tensors)
        ? tensors
        : names.map((name) => tensors[name] as tf.Tensor);
  if (list.length === names.length && list.every((tensor) => tensor instanceof tf.Tensor)) return list;
  throw new NeuralDiffError(
    'bad-data',
    `Cannot use data: expected tensors for [${names}], got ${list.length}`,
  );
}

/** The model's inputs and outputs. */
export interface Ports {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /** Shapes of the inputs, the batch first; null where any size will do. Unchecked unless given. */
  readonly inputShapes?: readonly (readonly (number | null)[])[] | undefined;
}

/**
 * Counts the examples of an array set.
 *
 * @throws NeuralDiffError `bad-data` when there are none or the arrays disagree
 */
export function exampleCount(data: ArrayData, ports: Ports): number {
  checkShapes(listTensors(data.xs, ports.inputNames), ports);
  const lists = [...listTensors(data.xs, ports.inputNames), ...listTensors(data.ys, ports.outputNames)];
  const counts = new Set(lists.map((tensor) => tensor.shape[0] ?? 0));
  const [count] = counts;
  if (counts.size === 1 && count !== undefined && count > 0) return count;
  if (counts.size === 1)
    throw new NeuralDiffError('bad-data', 'Cannot use data: expected examples, got none');
  throw new NeuralDiffError(
    'bad-data',
    `Cannot use data: expected equally many examples, got ${[...counts]}`,
  );
}

function checkShapes(xs: readonly tf.Tensor[], ports: Ports): void {
  ports.inputShapes?.forEach((shape, i) => {
    const found = (xs[i] as tf.Tensor).shape;
    const fits =
      shape.length === found.length && shape.every((size, axis) => size === null || size === found[axis]);
    if (fits) return;
    const message = `Cannot use data for "${ports.inputNames[i]}": expected shape [${shape.map(String)}], got [${found}]`;
    throw new NeuralDiffError('bad-data', message);
  });
}

/** How a set is cut into batches. */
export interface BatchOptions {
  /** Examples a batch; a dataset brings its own batches. */
  readonly batchSize: number;
  readonly seed: number;
  /** Each epoch of an array set has an order of its own. */
  readonly epoch: number;
}

/** Walks through a set once, array sets in a seeded random order. A batch's tensors live until the next batch. */
export async function* borrowBatches(data: Data, ports: Ports, options: BatchOptions): AsyncGenerator<Batch> {
  if (!isArrayData(data)) {
    yield* borrowDatasetBatches(data, ports);
    return;
  }
  const random = createRandom((options.seed + options.epoch) >>> 0);
  const order = shuffledIndexes(exampleCount(data, ports), random);
  yield* gatherBatches(data, ports, { order, batchSize: options.batchSize });
}

/**
 * Walks through a set once, its examples in their own order. A batch's tensors live until the next batch.
 *
 * @param batchSize of array sets
 * @throws NeuralDiffError `bad-data` for a set without examples, for inputs of another shape, for an endless dataset
 */
export async function* borrowInOrder(data: Data, ports: Ports, batchSize: number): AsyncGenerator<Batch> {
  if (isArrayData(data)) {
    const order = Int32Array.from({ length: exampleCount(data, ports) }, (_, i) => i);
    yield* gatherBatches(data, ports, { order, batchSize });
    return;
  }
  checkEnds(data, 'measure');
  for await (const batch of borrowDatasetBatches(data, ports)) {
    checkShapes(batch.xs, ports);
    yield batch;
  }
}

async function* gatherBatches(
  data: ArrayData,
  ports: Ports,
  { order, batchSize }: { order: Int32Array; batchSize: number },
): AsyncGenerator<Batch> {
  const xs = listTensors(data.xs, ports.inputNames);
  const ys = listTensors(data.ys, ports.outputNames);
  for (let start = 0; start < order.length; start += batchSize) {
    const indexes = tf.tensor1d(order.subarray(start, start + batchSize), 'int32');
    const batch = {
      xs: xs.map((x) => tf.gather(x, indexes)),
      ys: ys.map((y) => tf.gather(y, indexes)),
      indexes,
    };
    try {
      yield batch;
    } finally {
      tf.dispose([batch.xs, batch.ys, indexes]);
    }
  }
}

async function* borrowDatasetBatches(
  data: tf.data.Dataset<tf.TensorContainer>,
  ports: Ports,
): AsyncGenerator<Batch> {
  if (typeof data.iterator !== 'function')
    throw new NeuralDiffError('bad-data', 'Cannot use data: expected { xs, ys } or a batched dataset');
  const iterator = await data.iterator();
  for (let item = await iterator.next(); !item.done; item = await iterator.next()) {
    const { xs, ys } = (item.value ?? {}) as Partial<ArrayData>;
    if (xs === undefined || ys === undefined) {
      throw new NeuralDiffError('bad-data', 'Cannot use dataset: expected elements with "xs" and "ys"');
    }
    try {
      yield { xs: listTensors(xs, ports.inputNames), ys: listTensors(ys, ports.outputNames) };
    } finally {
      tf.dispose(item.value);
    }
  }
}

/**
 * Counts the batches in an epoch: schedules need to know. A dataset that does not know its size is walked through once.
 *
 * @throws NeuralDiffError `bad-data` for a dataset that is empty or endless
 */
export async function countBatches(data: Data, ports: Ports, batchSize: number): Promise<number> {
  if (isArrayData(data)) return Math.ceil(exampleCount(data, ports) / batchSize);
  checkEnds(data, 'train');
  let count = Number.isFinite(data.size) ? data.size : 0;
  if (count === 0) for await (const _batch of borrowDatasetBatches(data, ports)) count++;
  if (count === 0) throw new NeuralDiffError('bad-data', 'Cannot train: the dataset has no batches');
  return count;
}

function checkEnds({ size }: tf.data.Dataset<tf.TensorContainer>, doing: string): void {
  if (size !== Number.POSITIVE_INFINITY) return;
  const message = `Cannot ${doing}: the dataset is endless; take() as many batches as an epoch has`;
  throw new NeuralDiffError('bad-data', message);
}
