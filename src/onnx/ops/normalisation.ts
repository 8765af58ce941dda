import * as tf from '@tensorflow/tfjs';
import { numberOf } from '../attributes.js';
import { lastOf, plainOf } from '../layout.js';
import type { Lowering, LoweringTable } from '../lowering.js';
import type { Operator, OperatorTable } from '../operator.js';
import type { Value } from '../recorder.js';

type Parameter = tf.Tensor1D;

/** Batch norm with the statistics of the file. */
const batchNormalisation: Lowering = ([x, ...parameters], { node, opset, recorder }) => {
  if (numberOf(node, 'training_mode', 0) !== 0) throw new Error('expected inference, got training_mode 1');
  if (opset < 9 && numberOf(node, 'spatial', 1) === 0) throw new Error('expected spatial 1, got 0');
  const epsilon = numberOf(node, 'epsilon', 1e-5);
  const value = x as Value;
  const isLast = value.tensor.rank > 2;
  const inputs = [isLast ? lastOf(recorder, value) : value, ...parameters];
  const run = ([images, scale, offset, mean, variance]: readonly (tf.Tensor | undefined)[]): tf.Tensor =>
    normaliseBatch(images as tf.Tensor, [scale, offset, mean, variance] as Parameter[], epsilon);
  return recorder.emit(inputs, run, { isLast });
};

function normaliseBatch(x: tf.Tensor, parameters: readonly Parameter[], epsilon: number): tf.Tensor {
  const [scale, offset, mean, variance] = parameters as [Parameter, Parameter, Parameter, Parameter];
  // The function takes images, or what has fewer dimensions.
  const images = x.rank > 4 ? tf.reshape(x, [-1, 1, 1, x.shape.at(-1) as number]) : x;
  const result = tf.batchNorm(images as tf.Tensor4D, mean, variance, offset, scale, epsilon);
  return tf.reshape(result, x.shape);
}

/** @returns the tensor with mean 0 and variance 1 over some axes */
function standardise(x: tf.Tensor, axes: number[], epsilon: number): tf.Tensor[] {
  const mean = tf.mean(x, axes, true);
  const centred = tf.sub(x, mean);
  const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(centred), axes, true), epsilon));
  return [tf.mul(centred, inverse), mean, inverse];
}

const instanceNormalisation: Lowering = ([x, scale, offset], { node, recorder }) => {
  const epsilon = numberOf(node, 'epsilon', 1e-5);
  const last = lastOf(recorder, x as Value);
  const axes = Array.from({ length: last.tensor.rank - 2 }, (_, i) => i + 1);
  const run = ([images, by, to]: readonly (tf.Tensor | undefined)[]): tf.Tensor => {
    const [result] = standardise(images as tf.Tensor, axes, epsilon);
    return tf.add(tf.mul(result as tf.Tensor, by as tf.Tensor), to as tf.Tensor);
  };
  return recorder.emit([last, scale, offset], run, { isLast: true });
};

/** Source: Y. Wu, K. He, "Group Normalization", 2018. Before version 21 a group has one scale. */
const groupNormalisation: Operator = ([input, scale, offset], { node, opset }) => {
  const x = input as tf.Tensor;
  const [batch = 1, channels = 1] = x.shape;
  const groups = numberOf(node, 'num_groups', 1);
  const grouped = tf.reshape(x, [batch, groups, -1]);
  const [standard] = standardise(grouped, [2], numberOf(node, 'epsilon', 1e-5));
  const rows = opset < 21 ? groups : channels;
  const split = tf.reshape(standard as tf.Tensor, [batch, rows, -1]);
  const column = (parameter: tf.Tensor | undefined): tf.Tensor =>
    tf.reshape(parameter as tf.Tensor, [rows, 1]);
  return tf.reshape(tf.add(tf.mul(split, column(scale)), column(offset)), x.shape);
};

/** @returns axes of a tensor from one on, which may be negative */
function axesFrom({ rank }: tf.Tensor, axis: number): number[] {
  const first = axis < 0 ? axis + rank : axis;
  return Array.from({ length: rank - first }, (_, i) => first + i);
}

const layerNormalisation: Operator = ([x, scale, offset], { node }) => {
  const axes = axesFrom(x as tf.Tensor, numberOf(node, 'axis', -1));
  const [standard, ...statistics] = standardise(x as tf.Tensor, axes, numberOf(node, 'epsilon', 1e-5));
  const scaled = tf.mul(standard as tf.Tensor, scale as tf.Tensor);
  return [offset ? tf.add(scaled, offset) : scaled, ...statistics];
};

/** Source: B. Zhang, R. Sennrich, "Root Mean Square Layer Normalization", 2019. */
const rootMeanSquare: Operator = ([x, scale], { node }) => {
  const axes = axesFrom(x as tf.Tensor, numberOf(node, 'axis', -1));
  const epsilon = numberOf(node, 'epsilon', 1e-5);
  const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(x as tf.Tensor), axes, true), epsilon));
  return [tf.mul(tf.mul(x as tf.Tensor, inverse), scale as tf.Tensor), inverse];
};

/** A normalisation of the sum of two tensors and a bias, which is its fourth result. */
const ofSum =
  (normalise: Operator, biasAt: number): Operator =>
  (inputs, context) => {
    const [x, skip, ...parameters] = inputs;
    const bias = inputs[biasAt];
    const sum = tf.add(x as tf.Tensor, skip as tf.Tensor);
    const whole = bias ? tf.add(sum, bias) : sum;
    const [y, first = whole, second = whole] = [
      normalise([whole, ...parameters.slice(0, biasAt - 2)], context),
    ].flat() as tf.Tensor[];
    return [y as tf.Tensor, first, second, whole];
  };

const lpNormalisation: Operator = ([x], { node }) => {
  const order = numberOf(node, 'p', 2) === 1 ? 1 : 'euclidean';
  return tf.div(x as tf.Tensor, tf.norm(x as tf.Tensor, order, numberOf(node, 'axis', -1), true));
};

const localResponse: Lowering = ([x], { node, recorder }) => {
  const size = numberOf(node, 'size', 1);
  if (size % 2 === 0) throw new Error(`expected an odd size, got ${size}`);
  const [alpha, beta] = [numberOf(node, 'alpha', 1e-4) / size, numberOf(node, 'beta', 0.75)];
  const bias = numberOf(node, 'bias', 1);
  const run = (images: tf.Tensor): tf.Tensor =>
    tf.localResponseNormalization(images as tf.Tensor4D, (size - 1) / 2, bias, alpha, beta);
  return recorder.emit([lastOf(recorder, x as Value)], ([images]) => run(images as tf.Tensor), {
    isLast: true,
  });
};

/** @returns an operator on the layout of ONNX as one that records itself */
const plain =
  (operator: Operator): Lowering =>
  (inputs, context) =>
    context.recorder.emit(
      inputs.map((input) => input && plainOf(context.recorder, input)),
      (tensors) => operator(tensors, context),
    );

const PLAIN: OperatorTable = {
  GroupNormalization: groupNormalisation,
  LayerNormalization: layerNormalisation,
  LpNormalization: lpNormalisation,
  RMSNormalization: rootMeanSquare,
  SimplifiedLayerNormalization: rootMeanSquare,
  'com.microsoft:SkipLayerNormalization': ofSum(layerNormalisation, 4),
  'com.microsoft:SkipSimplifiedLayerNormalization': ofSum(rootMeanSquare, 3),
};

/** Normalisations. */
export const NORMALISATIONS: LoweringTable = {
  ...Object.fromEntries(Object.entries(PLAIN).map(([name, operator]) => [name, plain(operator)])),
  BatchNormalization: batchNormalisation,
  InstanceNormalization: instanceNormalisation,
  LRN: localResponse,
};
