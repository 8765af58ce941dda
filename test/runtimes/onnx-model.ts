import { float16Bits } from '../../src/model/float16.js';
import {
  type Data,
  externalData,
  field,
  floatData,
  graphInput,
  graphOutput,
  node,
  onnxModel,
  rawData,
  tensorProto,
  varint,
} from '../containers/write-onnx.js';
import { concat, seededBytes, seededFloats } from '../support.js';

/** Rows and columns of what goes in. */
export const INPUT = { name: 'x', shape: [3, 8] } as const;

/** Numbers of `TensorProto.DataType`. */
const TYPES = { float32: 1, int8: 3, int64: 7, bool: 9, float16: 10 } as const;

/** Files of a model by path. */
export type Files = Readonly<Record<string, Uint8Array>>;

interface Weight {
  readonly name: string;
  readonly type: keyof typeof TYPES;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

const float32 = (values: Float32Array): Uint8Array => new Uint8Array(values.slice().buffer);
const float16 = (values: Float32Array): Uint8Array =>
  new Uint8Array(Uint16Array.from(values, float16Bits).buffer);

/**
 * Weights of a small classifier: floats of two widths, integers with their scale, a branch's own, a shape, a
 * flag.
 */
function weightsOf(seed: number): Weight[] {
  return [
    { name: 'first/kernel', type: 'float32', shape: [8, 16], bytes: float32(seededFloats(seed, 128)) },
    { name: 'first/bias', type: 'float32', shape: [16], bytes: float32(seededFloats(seed + 1, 16)) },
    { name: 'second/kernel', type: 'float32', shape: [6, 16], bytes: float32(seededFloats(seed + 2, 96)) },
    { name: 'second/bias', type: 'float16', shape: [6], bytes: float16(seededFloats(seed + 3, 6)) },
    { name: 'table', type: 'int8', shape: [6, 5], bytes: seededBytes(seed + 4, 30) },
    { name: 'table/scale', type: 'float32', shape: [], bytes: float32(seededFloats(seed + 5, 1)) },
    { name: 'shift', type: 'float32', shape: [5], bytes: float32(seededFloats(seed + 6, 5)) },
    { name: 'target', type: 'int64', shape: [2], bytes: new Uint8Array(BigInt64Array.of(3n, 5n).buffer) },
    { name: 'flag', type: 'bool', shape: [], bytes: Uint8Array.of(1) },
  ];
}

/** Nodes in front of the initialisers, as in most files: two layers, a table of integers, a branch. */
function nodes(shift: Uint8Array): Uint8Array[] {
  const taken = node('Add', { inputs: ['flat', 'shift'], outputs: ['taken'] });
  const other = node('Identity', { inputs: ['flat'], outputs: ['other'] });
  const [then_branch, else_branch] = [
    concat(taken, field(2, 'then'), shift, graphOutput('taken', [3, 5])),
    concat(other, field(2, 'else'), graphOutput('other', [3, 5])),
  ];
  return [
    node('MatMul', { inputs: ['x', 'first/kernel'], outputs: ['product'] }),
    node('Add', { inputs: ['product', 'first/bias'], outputs: ['sum'] }),
    node('Relu', { inputs: ['sum'], outputs: ['hidden'] }),
    node('Cast', { inputs: ['second/bias'], outputs: ['wide'], attributes: { to: 1 } }),
    node('Gemm', {
      inputs: ['hidden', 'second/kernel', 'wide'],
      outputs: ['middle'],
      attributes: { transB: 1 },
    }),
    node('DequantizeLinear', { inputs: ['table', 'table/scale'], outputs: ['floats'] }),
    node('MatMul', { inputs: ['middle', 'floats'], outputs: ['scores'] }),
    node('Reshape', { inputs: ['scores', 'target'], outputs: ['flat'] }),
    node('If', { inputs: ['flag'], outputs: ['y'], attributes: { then_branch, else_branch } }),
  ];
}

/** @param dataOf how a weight's elements are kept */
function write(weights: readonly Weight[], dataOf: (name: string) => Data): Uint8Array {
  const protoOf = ({ name, type, shape, bytes }: Weight): Uint8Array =>
    field(5, tensorProto({ name, dtype: 'uint8', shape, bytes }, dataOf(name), TYPES[type]));
  const ends = [graphInput(INPUT.name, INPUT.shape), graphOutput('y', [3, 5])];
  const outer = weights.filter(({ name }) => name !== 'shift');
  const [shift] = weights.filter(({ name }) => name === 'shift').map(protoOf);
  return onnxModel(...nodes(shift as Uint8Array), ...outer.map(protoOf), ...ends);
}

/** @returns a model as one exporter writes it: raw data, typed fields, varints, data in another file */
export function mixedFiles(seed: number): Files {
  const weights = weightsOf(seed);
  const outside = weights.find(({ name }) => name === 'second/kernel') as Weight;
  const forms: Readonly<Record<string, Data>> = {
    'first/bias': floatData,
    shift: floatData,
    'second/kernel': externalData('model.onnx.data', 64, outside.bytes.length),
    target: () => field(7, concat(varint(3), varint(5))),
  };
  return {
    'model.onnx': write(weights, (name) => forms[name] ?? rawData),
    'model.onnx.data': concat(new Uint8Array(64), outside.bytes),
  };
}

/** @returns the same model as another exporter writes it: raw data alone, initialisers in another order */
export const rawFiles = (seed: number): Files => {
  return { 'model.onnx': write(weightsOf(seed).reverse(), () => rawData) };
};
