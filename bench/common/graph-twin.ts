// The convolutional network of the bench as a GraphModel.

import { GraphBuilder, type Value } from './graph-files.js';

/** @returns the files of a graph with the layers of the LayersModel `cnn` and small weights */
export function graphTwin(): Map<string, Uint8Array> {
  const graph = new GraphBuilder();
  const weights = (name: string, shape: readonly number[]): Value => {
    const size = shape.reduce((a, b) => a * b, 1);
    const values = Float32Array.from({ length: size }, (_, i) => Math.sin(i + 1) / 8);
    return graph.weights(name, shape, { values });
  };
  const convolution = (x: Value, name: string, shape: readonly number[]): Value => {
    const inputs = [x, weights(`${name}/kernel`, shape), weights(`${name}/bias`, shape.slice(-1))];
    const conv = { strides: [1, 1, 1, 1], padding: 'SAME', data_format: 'NHWC', dilations: [1, 1, 1, 1] };
    const fused = graph.node('_FusedConv2D', inputs, {
      ...conv,
      num_args: 1,
      fused_ops: ['BiasAdd', 'Relu'],
    });
    return graph.node('MaxPool', [fused], { ksize: [1, 2, 2, 1], strides: [1, 2, 2, 1], padding: 'VALID' });
  };
  const first = convolution(graph.input('x', [-1, 28, 28, 1]), 'first', [3, 3, 1, 16]);
  const second = convolution(first, 'second', [3, 3, 16, 32]);
  const flat = graph.node('Reshape', [second, graph.integers('shape', [-1, 1568])]);
  const dense = [flat, weights('dense/kernel', [1568, 10]), weights('dense/bias', [10])];
  const plain = { transpose_a: false, transpose_b: false };
  const logits = graph.node('_FusedMatMul', dense, { ...plain, num_args: 1, fused_ops: ['BiasAdd'] });
  return graph.files({ y: graph.node('Softmax', [logits]) });
}
