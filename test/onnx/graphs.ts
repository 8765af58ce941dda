import * as tf from '@tensorflow/tfjs';
import { openMemoryFiles } from '../../src/model/model-files.js';
import { DTYPES, type Tensor } from '../../src/model/tensor.js';
import { openOnnxNetwork } from '../../src/onnx/network.js';
import type { Network } from '../../src/train/network.js';
import {
  type FunctionDraft,
  field,
  functionProto,
  type NodeDraft,
  node,
  tensorProto,
} from '../containers/write-onnx.js';
import { concat, seededFloats } from '../support.js';

/** Elements of a weight: floats from a seed, or numbers. */
interface WeightDraft {
  readonly shape: readonly number[];
  readonly values?: readonly number[];
  readonly dtype?: 'float32' | 'int64' | 'int8';
}

/** A graph in few words. */
export interface GraphDraft {
  /** Shapes of float inputs, or type and shape; a text is a symbolic size. */
  readonly inputs: Readonly<Record<string, readonly (number | string)[]>>;
  /** Number of `TensorProto.DataType` of inputs that are no floats. */
  readonly types?: Readonly<Record<string, number>>;
  readonly weights?: Readonly<Record<string, WeightDraft>>;
  readonly nodes: readonly (readonly [operator: string, draft: NodeDraft])[];
  readonly outputs: readonly string[];
  readonly opset?: number;
  /** Functions by name. */
  readonly functions?: Readonly<Record<string, FunctionDraft>>;
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/** @returns a weight as a tensor */
export function weightOf(name: string, { shape, values, dtype = 'float32' }: WeightDraft, seed = 1): Tensor {
  const numbers = values ?? seededFloats(seed, sizeOf(shape));
  const arrays = { float32: Float32Array, int64: BigInt64Array, int8: Int8Array } as const;
  const typed =
    dtype === 'int64'
      ? BigInt64Array.from([...numbers].map(BigInt))
      : (arrays[dtype] as Float32ArrayConstructor).from(numbers);
  const bytes = new Uint8Array(typed.buffer);
  if (bytes.length !== sizeOf(shape) * DTYPES[dtype].bytes)
    throw new Error(`wrong number of values of ${name}`);
  return { name, dtype, shape, bytes };
}

function port(
  number: number,
  name: string,
  shape: readonly (number | string)[] | undefined,
  type = 1,
): Uint8Array {
  const sizes = (shape ?? []).map((size) =>
    field(1, typeof size === 'number' ? field(1, size) : field(2, size)),
  );
  const tensor = concat(field(1, type), shape ? field(2, concat(...sizes)) : []);
  return field(number, concat(field(1, name), field(2, field(1, tensor))));
}

/** @returns a model file; `protoOf` writes its weights */
export function onnxFile(
  { inputs, types = {}, weights = {}, nodes, outputs, opset = 17, functions = {} }: GraphDraft,
  protoOf: (tensor: Tensor) => Uint8Array = tensorProto,
): Uint8Array {
  const graph = concat(
    ...nodes.map(([operator, draft]) => node(operator, draft)),
    field(2, 'main'),
    ...Object.entries(weights).map(([name, draft], i) => field(5, protoOf(weightOf(name, draft, i + 1)))),
    ...Object.entries(inputs).map(([name, shape]) => port(11, name, shape, types[name])),
    ...outputs.map((name) => port(12, name, undefined)),
  );
  const opsets = [field(8, field(2, opset)), field(8, concat(field(1, 'com.microsoft'), field(2, 1)))];
  const domains = new Set(Object.values(functions).map(({ domain }) => domain));
  return concat(
    field(1, 8),
    field(7, graph),
    ...opsets,
    ...[...domains].map((domain) => field(8, concat(field(1, domain), field(2, 1)))),
    ...Object.entries(functions).map((entry) => functionProto(...entry)),
  );
}

/** @returns a graph as a network */
export function networkOf(draft: GraphDraft): Promise<Network> {
  return openOnnxNetwork(openMemoryFiles(new Map([['model.onnx', onnxFile(draft)]])), 'model.onnx');
}

/** @returns a tensor of floats from a seed */
export function randomTensor(shape: readonly number[], seed: number): tf.Tensor {
  return tf.tensor(seededFloats(seed, sizeOf(shape)), [...shape]);
}
