import * as tf from '@tensorflow/tfjs';
import { GraphBuilder, type Value } from '../../bench/common/graph-files.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import { useBackend } from '../../src/tfjs/backend.js';
import { loadGraphModel } from '../../src/tfjs/layers-files.js';
import type { ArrayData } from '../../src/train/data.js';
import { seededFloats } from '../support.js';

const SIDE = 8;
const CLASSES = 4;

type Storage = 'float32' | 'float16' | 'uint8';

/** Seeded weights with the spread of a He initialisation. */
function weights(
  graph: GraphBuilder,
  name: string,
  shape: readonly number[],
  { seed, storage = 'float32' }: { seed: number; storage?: Storage },
): Value {
  const size = shape.reduce((a, b) => a * b, 1);
  const limit = Math.sqrt((6 * (shape.at(-1) ?? 1)) / size);
  const values = seededFloats(seed, size).map((value) => value * limit);
  return graph.weights(name, shape, { values, storage });
}

/** @returns the files of a convolutional GraphModel for pictures of 8 x 8, with 2,900 weights */
export function graphFiles(storage: Storage = 'float32'): Map<string, Uint8Array> {
  const graph = new GraphBuilder();
  const conv = { strides: [1, 2, 2, 1], padding: 'SAME', data_format: 'NHWC', dilations: [1, 1, 1, 1] };
  const fused = { ...conv, num_args: 1, fused_ops: ['BiasAdd', 'Relu6'] };
  const x = graph.input('image', [-1, SIDE, SIDE, 1]);
  const kernel = weights(graph, 'stem/kernel', [3, 3, 1, 16], { seed: 1, storage });
  const bias = graph.weights('stem/bias', [16], { values: new Float32Array(16) });
  const stem = graph.node('_FusedConv2D', [x, kernel, bias], fused);
  const depth = weights(graph, 'depth/kernel', [3, 3, 16, 1], { seed: 2, storage });
  const deep = graph.node('DepthwiseConv2dNative', [stem, depth], { ...conv, strides: [1, 1, 1, 1] });
  const scale = graph.weights('norm/scale', [16], { values: new Float32Array(16).fill(1) });
  const normed = graph.node('Relu', [graph.node('Mul', [deep, scale])]);
  const flat = graph.node('Reshape', [normed, graph.integers('flat/shape', [-1, 256])]);
  const dense = weights(graph, 'dense/kernel', [256, 8], { seed: 3, storage });
  const hidden = graph.node(
    '_FusedMatMul',
    [flat, dense, graph.weights('dense/bias', [8], { values: new Float32Array(8) })],
    {
      transpose_a: false,
      transpose_b: false,
      num_args: 1,
      fused_ops: ['BiasAdd', 'Relu'],
    },
  );
  const last = weights(graph, 'last/kernel', [8, CLASSES], { seed: 4 });
  const logits = graph.node('MatMul', [hidden, last], { transpose_a: false, transpose_b: false });
  graph.flags('unused/flags', [true, false, true]);
  return graph.files({ probabilities: graph.node('Softmax', [logits]), logits });
}

/** @returns pictures of bars in four places, with noise; labels are numbers of classes */
export function pictures(count: number, seed: number): ArrayData {
  const values = seededFloats(seed, count * SIDE * SIDE);
  const labels = Int32Array.from({ length: count }, (_, i) => i % CLASSES);
  for (let i = 0; i < count; i++) {
    const line = 2 * (labels[i] as number);
    for (let column = 0; column < SIDE; column++) {
      const at = i * SIDE * SIDE + line * SIDE + column;
      values[at] = (values[at] as number) + 1;
    }
  }
  return { xs: tf.tensor4d(values, [count, SIDE, SIDE, 1]), ys: tf.tensor1d(labels, 'int32') };
}

/** Loads a graph from files in memory, on the wasm backend. */
export async function loadGraph(files: Map<string, Uint8Array>): Promise<tf.GraphModel> {
  await useBackend('wasm');
  return loadGraphModel(openMemoryFiles(files));
}
