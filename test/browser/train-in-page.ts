// Runs in a page and in Node: trains both kinds of diff of a small model on the wasm backend.
import * as tf from '@tensorflow/tfjs';
import { useBackend } from 'neural-diff/tfjs';
import { createTask, trainHashDiff, trainSparseDiff } from 'neural-diff/train';
import { hex } from '../../src/model/bytes.js';
import { createRandom } from '../../src/train/random.js';
import { graphFiles, loadGraph, pictures } from '../train/graph-task.js';

/** What was trained, and how. */
export interface TrainedInPage {
  /** Payloads in hexadecimal digits. */
  readonly hash: string;
  readonly sparse: string;
  /** A hash diff of a GraphModel. */
  readonly graph: string;
  /** Kernels of this package that a forward pass ran. */
  readonly kernels: readonly string[];
}

/** Trains with seeds, so that every runtime has the same to do. */
export async function trainInPage(): Promise<TrainedInPage> {
  await useBackend('wasm');
  const model = createModel();
  const random = createRandom(5);
  const xs = tf.tensor(Float32Array.from({ length: 48 * 6 * 5 }, random), [48, 6, 5]);
  const labels = tf.tensor1d(
    Int32Array.from({ length: 48 }, (_, i) => i % 3),
    'int32',
  );
  const train = { xs, ys: tf.cast(tf.oneHot(labels, 3), 'float32') };
  const { kernelNames } = await tf.profile(() => model.predict(xs) as tf.Tensor);
  const shared = { task: createTask(model), train, budget: 2_000, epochs: 2, batchSize: 16, seed: 3 };
  const options = { ...shared, fineTune: { epochs: 2 } };
  const hash = await trainHashDiff(options);
  const sparse = await trainSparseDiff(options);
  const graph = await trainHashDiff({ ...options, ...(await createGraphTask()), budget: 900 });
  return {
    graph: hex(graph.payload),
    hash: hex(hash.payload),
    sparse: hex(sparse.payload),
    kernels: kernelNames.filter((name) => name.startsWith('NeuralDiff')),
  };
}

async function createGraphTask() {
  const model = await loadGraph(graphFiles('uint8'));
  const task = createTask(model, { loss: 'sparseCategoricalCrossentropy', outputs: ['probabilities'] });
  return { task, train: pictures(48, 5) };
}

function createModel(): tf.LayersModel {
  const seeded = (seed: number) => tf.initializers.glorotUniform({ seed });
  const model = tf.sequential({
    layers: [
      tf.layers.conv1d({
        inputShape: [6, 5],
        filters: 8,
        kernelSize: 3,
        activation: 'relu',
        name: 'conv',
        kernelInitializer: seeded(1),
      }),
      tf.layers.gru({
        units: 7,
        name: 'gru',
        kernelInitializer: seeded(2),
        recurrentInitializer: seeded(3),
      }),
      tf.layers.dense({ units: 3, activation: 'softmax', name: 'head', kernelInitializer: seeded(4) }),
    ],
  });
  model.compile({ optimizer: 'sgd', loss: 'categoricalCrossentropy' });
  return model;
}
