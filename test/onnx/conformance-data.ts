import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type * as tf from '@tensorflow/tfjs';
import { openOnnxStore } from '../../src/containers/onnx.js';
import { NeuralDiffError } from '../../src/model/errors.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import { copyModel } from '../../src/model/store.js';
import type { Tensor } from '../../src/model/tensor.js';
import { tensorOf } from '../../src/onnx/constants.js';
import type { ElementType } from '../../src/onnx/graph.js';
import { createOnnxNetwork } from '../../src/onnx/network.js';
import { readOnnxModel } from '../../src/onnx/read-graph.js';
import type { Network } from '../../src/train/network.js';
import { field, tensorProto } from '../containers/write-onnx.js';
import { concat } from '../support.js';

/** Where the Debian package `libonnx-testdata` puts the tests of ONNX's backends. */
export const DATA = '/usr/share/libonnx-testdata/data';

/** Folders of tests with data: operators, what PyTorch exports, and models of a few operators. */
const GROUPS = ['node', 'pytorch-operator', 'pytorch-converted', 'simple'];

/** @returns the tests' folders in the package, by their names; empty without the package */
export function listTests(): Map<string, string> {
  const found = new Map<string, string>();
  for (const group of GROUPS) {
    if (!existsSync(join(DATA, group))) continue;
    for (const name of readdirSync(join(DATA, group)))
      found.set(name.replace(/^test_/, ''), join(DATA, group, name));
  }
  return found;
}

/** @returns the model of a test as a network */
export async function networkOf(folder: string): Promise<Network> {
  const files = openMemoryFiles(new Map([['model.onnx', readFileSync(join(folder, 'model.onnx'))]]));
  const model = await readOnnxModel(files, 'model.onnx');
  return createOnnxNetwork(model, { tensors: await tensorsOf(files) });
}

/** Models of a test may have no tensors, which `openContainer` refuses. */
async function tensorsOf(files: ReturnType<typeof openMemoryFiles>): Promise<readonly Tensor[]> {
  try {
    return (await copyModel(await openOnnxStore(files, 'model.onnx'))).tensors;
  } catch (error) {
    if (error instanceof NeuralDiffError && error.code === 'empty-model') return [];
    throw error;
  }
}

/** A tensor in a file of its own. */
interface FiledTensor {
  readonly type: ElementType;
  readonly tensor: tf.Tensor;
}

const other = { name: 'other', dtype: 'uint8', shape: [1], bytes: Uint8Array.of(0) } as const;

/** Reads a `TensorProto` in a file of its own, as the initialiser of a model. */
export async function readTensor(path: string): Promise<FiledTensor> {
  // The last name counts, and without one the first.
  const proto = concat(field(8, 'value'), readFileSync(path));
  const graph = concat(field(5, proto), field(5, tensorProto(other)));
  const files = openMemoryFiles(new Map([['model.onnx', field(7, graph)]]));
  const { constants } = (await readOnnxModel(files, 'model.onnx')).graph;
  const [constant] = [...constants.values()];
  const { tensors } = await copyModel(await openOnnxStore(files, 'model.onnx'));
  return { type: constant!.type, tensor: tensorOf(constant!, tensors[0]!) };
}

/** @returns the numbers of the data sets in a test's folder */
export function dataSetsOf(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.startsWith('test_data_set_'));
}
