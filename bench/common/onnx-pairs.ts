import * as tf from '@tensorflow/tfjs';
import type { Model, Tensor } from '../../src/model/tensor.js';
import type { OnnxConstant, OnnxModel, OnnxNode } from '../../src/onnx/graph.js';
import { createTask } from '../../src/train/create-task.js';
import type { LossName } from '../../src/train/losses.js';
import { createRandom } from '../../src/train/random.js';
import type { Task } from '../../src/train/task.js';
import { buildModel, MODELS } from './train-models.js';

/** A network for TensorFlow.js, and the same as an ONNX graph. */
export interface Pair {
  readonly name: string;
  readonly title: string;
  readonly task: Task;
  readonly graph: OnnxModel;
  readonly stored: Model;
  readonly loss: LossName;
  xs(count: number): tf.Tensor;
  ys(count: number): tf.Tensor;
  /** Brings inputs into the order of the graph. */
  move(xs: tf.Tensor): tf.Tensor;
}

type Values =
  OnnxNode['attributes'] extends ReadonlyMap<string, infer V> ? Readonly<Record<string, V>> : never;

/** Writes a graph node by node; each takes the value of the one before, and weights. */
class GraphWriter {
  readonly #nodes: OnnxNode[] = [];
  readonly #constants = new Map<string, OnnxConstant>();
  readonly tensors: Tensor[] = [];
  value = 'x';

  weight(values: tf.Tensor): string {
    const name = `w${this.tensors.length}`;
    const shape = values.shape.slice();
    const isFloat = values.dtype === 'float32';
    const bytes = isFloat
      ? new Uint8Array(values.dataSync().slice().buffer)
      : new Uint8Array(BigInt64Array.from(Array.from(values.dataSync(), BigInt)).buffer);
    this.tensors.push({ name, dtype: isFloat ? 'float32' : 'int64', shape, bytes });
    this.#constants.set(name, { type: isFloat ? 'float32' : 'int64', shape, stored: name });
    return name;
  }

  add(op: string, inputs: readonly string[], attributes: Values = {}): string {
    this.value = `v${this.#nodes.length}`;
    const node = { op, domain: '', name: this.value, inputs, outputs: [this.value] };
    this.#nodes.push({ ...node, attributes: new Map(Object.entries(attributes)) });
    return this.value;
  }

  finish(shape: readonly number[]): OnnxModel {
    const input = { name: 'x', type: 'float32' as const, shape: [null, ...shape] };
    const outputs = [{ name: this.value, type: 'float32' as const, shape: undefined }];
    const graph = { nodes: this.#nodes, constants: this.#constants, inputs: [input], outputs };
    return { graph, opsets: new Map([['', 17]]) };
  }
}

type Write = (writer: GraphWriter, layer: tf.layers.Layer, weights: tf.Tensor[]) => void;

const convolve = (
  writer: GraphWriter,
  layer: tf.layers.Layer,
  { filter, ...more }: { filter: tf.Tensor; group?: number },
): void => {
  const { strides, padding, activation } = layer.getConfig() as Record<string, unknown>;
  const auto_pad = padding === 'same' ? 'SAME_UPPER' : 'VALID';
  const bias = layer.getWeights()[1];
  const inputs = [writer.value, writer.weight(filter), ...(bias ? [writer.weight(bias)] : [])];
  writer.add('Conv', inputs, { auto_pad, strides: strides as number[], ...more });
  activate(writer, activation as string);
};

const activate = (writer: GraphWriter, activation: string): void => {
  if (activation === 'relu') writer.add('Relu', [writer.value]);
  if (activation === 'softmax') writer.add('Softmax', [writer.value]);
};

const WRITERS: Readonly<Record<string, Write>> = {
  InputLayer: () => {},
  Dense(writer, layer, [kernel, bias]) {
    const weights = [tf.transpose(kernel as tf.Tensor), bias as tf.Tensor].map((each) => writer.weight(each));
    writer.add('Gemm', [writer.value, ...weights], { transB: 1 });
    activate(writer, layer.getConfig().activation as string);
  },
  Conv2D: (writer, layer, [kernel]) =>
    convolve(writer, layer, { filter: tf.transpose(kernel as tf.Tensor, [3, 2, 0, 1]) }),
  DepthwiseConv2D: (writer, layer, [kernel]) =>
    convolve(writer, layer, {
      filter: tf.transpose(kernel as tf.Tensor, [2, 3, 0, 1]),
      group: kernel?.shape[2] ?? 1,
    }),
  BatchNormalization(writer, _layer, weights) {
    writer.add('BatchNormalization', [writer.value, ...weights.map((each) => writer.weight(each))], {
      epsilon: 1e-3,
    });
  },
  ReLU: (writer) => activate(writer, 'relu'),
  MaxPooling2D: (writer) =>
    void writer.add('MaxPool', [writer.value], { kernel_shape: [2, 2], strides: [2, 2] }),
  GlobalAveragePooling2D(writer) {
    writer.add('GlobalAveragePool', [writer.value]);
    writer.add('Flatten', [writer.value]);
  },
  // The same order of numbers as in the layer.
  Flatten(writer) {
    writer.add('Transpose', [writer.value], { perm: [0, 2, 3, 1] });
    writer.add('Flatten', [writer.value]);
  },
};

function oneHot(classes: number) {
  return (count: number): tf.Tensor => {
    const labels = Int32Array.from({ length: count }, (_, i) => i % classes);
    return tf.cast(tf.oneHot(tf.tensor1d(labels, 'int32'), classes), 'float32');
  };
}

function noise(shape: readonly number[]) {
  return (count: number): tf.Tensor => {
    const random = createRandom(1);
    const size = shape.reduce((product, each) => product * each, count);
    return tf.tensor(Float32Array.from({ length: size }, random), [count, ...shape]);
  };
}

/** A LayersModel of the training bench. */
function layersPair(name: string): Pair {
  const spec = MODELS.find((each) => each.name === name) as (typeof MODELS)[number];
  const model = buildModel(spec);
  const writer = new GraphWriter();
  for (const layer of model.layers) WRITERS[layer.getClassName()]?.(writer, layer, layer.getWeights());
  const isImage = spec.inputShape.length === 3;
  const [height = 0, width = 0, channels = 0] = spec.inputShape;
  return {
    name,
    title: spec.title,
    task: createTask(model),
    graph: writer.finish(isImage ? [channels, height, width] : spec.inputShape),
    stored: { tensors: writer.tensors },
    loss: 'categoricalCrossentropy',
    xs: noise(spec.inputShape),
    ys: oneHot(spec.classes),
    move: (xs) => (isImage ? tf.transpose(xs, [0, 3, 1, 2]) : tf.clone(xs)),
  };
}

/** Steps, width and heads of the transformer. */
const [LENGTH, WIDTH, HEADS, CLASSES] = [32, 64, 4, 10];

/** A block of a transformer, as PyTorch exports it; its mean over time is classified. */
function transformerPair(): Pair {
  const random = createRandom(2);
  const matrix = (...shape: number[]): tf.Tensor => {
    const size = shape.reduce((a, b) => a * b, 1);
    return tf.tensor(
      Float32Array.from({ length: size }, () => (random() - 0.5) * 0.3),
      shape,
    );
  };
  const shapes = [...Array(4).fill([WIDTH, WIDTH]), [WIDTH, 4 * WIDTH], [4 * WIDTH, WIDTH], [WIDTH, CLASSES]];
  const products = shapes.map((shape) => matrix(...shape));
  const biases = shapes.map(([, columns]) => matrix(columns));
  const norms = [tf.ones([WIDTH]), tf.zeros([WIDTH]), tf.ones([WIDTH]), tf.zeros([WIDTH])];
  const writer = new GraphWriter();
  writeTransformer(writer, { products, biases, norms });
  return {
    name: 'transformer',
    title: `transformer block, ${LENGTH} steps of ${WIDTH}`,
    task: handWritten({ products, biases, norms }),
    graph: writer.finish([LENGTH, WIDTH]),
    stored: { tensors: writer.tensors },
    loss: 'categoricalCrossentropy',
    xs: noise([LENGTH, WIDTH]),
    ys: oneHot(CLASSES),
    move: (xs) => tf.clone(xs),
  };
}

type Weights = Readonly<Record<'products' | 'biases' | 'norms', readonly tf.Tensor[]>>;

function writeTransformer(writer: GraphWriter, { products, biases, norms }: Weights): void {
  const affine = (x: string, i: number): string => {
    const product = writer.add('MatMul', [x, writer.weight(products[i] as tf.Tensor)]);
    return writer.add('Add', [writer.weight(biases[i] as tf.Tensor), product]);
  };
  const ints = (...values: number[]): string => writer.weight(tf.tensor1d(values, 'int32'));
  const heads = (x: string, perm: number[]): string => {
    const split = writer.add('Reshape', [x, ints(0, 0, HEADS, WIDTH / HEADS)]);
    return writer.add('Transpose', [split], { perm });
  };
  const norm = (x: string, i: number): string =>
    writer.add('LayerNormalization', [x, ...norms.slice(i, i + 2).map((each) => writer.weight(each))], {
      axis: -1,
    });
  const normed = norm('x', 0);
  const [q, k, v] = [0, 1, 2].map((i) => affine(normed, i)) as [string, string, string];
  const scores = writer.add('MatMul', [heads(q, [0, 2, 1, 3]), heads(k, [0, 2, 3, 1])]);
  const scaled = writer.add('Div', [scores, writer.weight(tf.scalar(Math.sqrt(WIDTH / HEADS)))]);
  const shares = writer.add('Softmax', [scaled], { axis: -1 });
  const mixed = writer.add('Transpose', [writer.add('MatMul', [shares, heads(v, [0, 2, 1, 3])])], {
    perm: [0, 2, 1, 3],
  });
  const attended = writer.add('Add', ['x', affine(writer.add('Reshape', [mixed, ints(0, 0, WIDTH)]), 3)]);
  const wide = affine(norm(attended, 2), 4);
  const inner = writer.add('Erf', [writer.add('Div', [wide, writer.weight(tf.scalar(Math.SQRT2))])]);
  const one = writer.add('Add', [inner, writer.weight(tf.scalar(1))]);
  const gelu = writer.add('Mul', [writer.add('Mul', [wide, one]), writer.weight(tf.scalar(0.5))]);
  const block = writer.add('Add', [attended, affine(gelu, 5)]);
  const mean = writer.add('ReduceMean', [block], { axes: [1], keepdims: 0 });
  affine(mean, 6);
  writer.add('Softmax', [writer.value], { axis: -1 });
}

/** The same with functions of TensorFlow.js, as one would write it. */
function handWritten({ products, biases, norms }: Weights): Task {
  const [kernels, offsets, scales] = [products, biases, norms].map((list) =>
    list.map((each) => tf.variable(each)),
  );
  const w = kernels as tf.Variable[];
  const b = offsets as tf.Variable[];
  const n = scales as tf.Variable[];
  const affine = (x: tf.Tensor, i: number): tf.Tensor => {
    const [rows, columns] = (w[i] as tf.Variable).shape as [number, number];
    const product = tf.matMul(tf.reshape(x, [-1, rows]), w[i] as tf.Tensor);
    return tf.reshape(tf.add(product, b[i] as tf.Tensor), [...x.shape.slice(0, -1), columns]);
  };
  const norm = (x: tf.Tensor, i: number): tf.Tensor => {
    const { mean, variance } = tf.moments(x, -1, true);
    const standard = tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5)));
    return tf.add(tf.mul(standard, n[i] as tf.Tensor), n[i + 1] as tf.Tensor);
  };
  const heads = (x: tf.Tensor): tf.Tensor =>
    tf.transpose(tf.reshape(x, [-1, LENGTH, HEADS, WIDTH / HEADS]), [0, 2, 1, 3]);
  const run = (x: tf.Tensor): tf.Tensor => {
    const normed = norm(x, 0);
    const [q, k, v] = [0, 1, 2].map((i) => heads(affine(normed, i))) as [tf.Tensor, tf.Tensor, tf.Tensor];
    const shares = tf.softmax(tf.div(tf.matMul(q, k, false, true), Math.sqrt(WIDTH / HEADS)));
    const mixed = tf.reshape(tf.transpose(tf.matMul(shares, v), [0, 2, 1, 3]), [-1, LENGTH, WIDTH]);
    const attended = tf.add(x, affine(mixed, 3));
    const wide = affine(norm(attended, 2), 4);
    const gelu = tf.mul(tf.mul(wide, tf.add(tf.erf(tf.div(wide, Math.SQRT2)), 1)), 0.5);
    return tf.softmax(affine(tf.mean(tf.add(attended, affine(gelu, 5)), 1), 6));
  };
  const variables = [...w, ...b, ...n];
  return {
    inputNames: ['x'],
    outputNames: ['y'],
    weights: variables.map((variable, i) => ({ name: `w${i}`, variable, trainable: true })),
    outputKinds: ['probabilities'],
    outputs: ([x]) => [run(x as tf.Tensor)],
    loss: ([y], { ys: [label] }) =>
      tf.mean(tf.metrics.categoricalCrossentropy(label as tf.Tensor, y as tf.Tensor)) as tf.Scalar,
    evaluate: async () => ({}),
  };
}

/** Networks that are timed as ONNX graphs, too. */
export const PAIRS = {
  mlp: () => layersPair('mlp'),
  cnn: () => layersPair('cnn'),
  dscnn: () => layersPair('dscnn'),
  transformer: transformerPair,
} satisfies Record<string, () => Pair>;
