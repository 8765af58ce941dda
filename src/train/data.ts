import * as tf from '@tensorflow/tfjs';
import { NeuralDiffError } from '../model/errors.js';
import { createRandom, shuffledIndexes } from './random.js';

/** One tensor, or several by position or by the name of the model's input or output. */
export type Tensors = tf.Tensor | tf.Tensor[] | { [name: string]: tf.Tensor };

/** A set of examples in memory; the first dimension is the example. */
export interface ArrayData {
  readonly xs: Tensors;
  readonly ys: Tensors;
}

/** Examples for training or measuring: whole arrays, or an already batched dataset. */
export type Data = ArrayData | tf.data.Dataset<tf.TensorContainer>;

/** A batch of examples, with tensors in the order of the model's inputs and outputs. */
export interface Batch {
  readonly xs: tf.Tensor[];
  readonly ys: tf.Tensor[];
  /** Indices of the examples in an array set. */
  readonly indexes?: tf.Tensor1D;
}

/** Where the examples of a batch are from. */
interface BatchPlace {
  /** Name of the set: `train`. */
  readonly set: string;
  /** Index of the first example in the set. */
  readonly first: number;
}

/** @throws NeuralDiffError `bad-data` if inputs or labels of a batch have NaN or infinite elements */
export async function checkFinite(
  { xs, ys }: Batch,
  { inputNames, outputNames }: Ports,
  place?: BatchPlace,
): Promise<void> {
  const named = [
    ...xs.map((x, i) => [`for "${inputNames[i]}"`, x] as const),
    ...ys.map((y, i) => [`of labels for "${outputNames[i]}"`, y] as const),
  ];
  for (const [name, values] of named)
    if (!(await isFiniteTensor(values))) throw await notFinite(name, values, place);
}

async function notFinite(
  name: string,
  tensor: tf.Tensor,
  place: BatchPlace | undefined,
): Promise<NeuralDiffError> {
  const message = `Cannot use data ${name}: expected finite numbers, got NaN or infinity`;
  if (place === undefined) return new NeuralDiffError('bad-data', message);
  const { set, first } = place;
  const numbers = await tensor.data();
  const perExample = numbers.length / (tensor.shape[0] ?? 1);
  const example = first + Math.floor(numbers.findIndex((number) => !Number.isFinite(number)) / perExample);
  const where = `in example ${example} of "${set}" (the first is 0)`;
  const advice = 'leave out such examples, or correct how they are read or scaled';
  return new NeuralDiffError('bad-data', `${message} ${where}; ${advice}`, { facts: { set, example } });
}

/** @returns whether no element is NaN or infinite */
export async function isFiniteTensor(tensor: tf.Tensor): Promise<boolean> {
  // Zero times a number that is not finite is not a number.
  const sum = tf.tidy(() => tf.sum(tf.mul(tf.cast(tensor, 'float32'), 0)));
  const [zero] = await sum.data();
  sum.dispose();
  return zero === 0;
}

/** @returns whether a set consists of whole arrays */
export function isArrayData(data: Data): data is ArrayData {
  return 'xs' in data && 'ys' in data;
}

/**
 * Lists tensors in the order of the model's inputs or outputs.
 *
 * @throws NeuralDiffError `bad-data` for a wrong number of tensors or an unknown name
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
  /** Shapes of the inputs, with the batch dimension first; null for any size. Unchecked by default. */
  readonly inputShapes?: readonly (readonly (number | null)[])[] | undefined;
}

/**
 * Counts the examples of an array set.
 *
 * @throws NeuralDiffError `bad-data` if there are none or the arrays disagree
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
    const message = `Cannot use data for "${ports.inputNames[i]}": expected shape [${shape.map((size) => size ?? 'any')}], got [${found}]`;
    throw new NeuralDiffError('bad-data', message);
  });
}

/** How to split a set into batches. */
export interface BatchOptions {
  /** Examples per batch; a dataset brings its own batches. */
  readonly batchSize: number;
  readonly seed: number;
  /** Array sets are shuffled differently in each epoch. */
  readonly epoch: number;
}

/**
 * Iterates over a set once, array sets in a seeded random order. A batch's tensors are valid until the next
 * batch.
 */
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
 * Iterates over a set once, in its own order. A batch's tensors are valid until the next batch.
 *
 * @param batchSize for array sets
 * @throws NeuralDiffError `bad-data` for a set without examples, for inputs of another shape, for an infinite
 *   dataset
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
 * Counts the examples of a set. A dataset is iterated over once.
 *
 * @throws NeuralDiffError `bad-data` for an infinite dataset, and for arrays that disagree
 */
export async function countExamples(data: Data, ports: Ports): Promise<number> {
  if (isArrayData(data)) return exampleCount(data, ports);
  checkEnds(data, 'measure');
  let count = 0;
  for await (const { ys } of borrowDatasetBatches(data, ports)) count += ys[0]?.shape[0] ?? 0;
  return count;
}

/**
 * Counts the batches per epoch, which schedules need. A dataset of unknown size is iterated over once.
 *
 * @throws NeuralDiffError `bad-data` for a dataset that is empty or infinite
 */
export async function countBatches(data: Data, ports: Ports, batchSize: number): Promise<number> {
  if (isArrayData(data)) return Math.ceil(exampleCount(data, ports) / batchSize);
  checkEnds(data, 'train');
  let count = Number.isFinite(data.size) ? data.size : 0;
  if (count === 0) for await (const _batch of borrowDatasetBatches(data, ports)) count++;
  if (count === 0)
    throw new NeuralDiffError('bad-data', 'Cannot train: expected a dataset with batches, got an empty one');
  return count;
}

function checkEnds({ size }: tf.data.Dataset<tf.TensorContainer>, action: string): void {
  if (size !== Number.POSITIVE_INFINITY) return;
  const message = `Cannot ${action}: the dataset is infinite; use take() to limit it to the batches of an epoch`;
  throw new NeuralDiffError('bad-data', message);
}
