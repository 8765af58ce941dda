import type { DType, Model, Tensor } from '../../src/model/tensor.js';
import { concat } from '../support.js';

const TYPES: Readonly<Record<DType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  float16: 10,
  bfloat16: 16,
  uint16: 4,
  int16: 5,
  int64: 7,
  float64: 11,
  uint32: 12,
  uint64: 13,
  float8_e4m3fn: 17,
  float8_e5m2: 19,
};

const encoder = new TextEncoder();

/** @returns an unsigned number, or one of 64 bits in two's complement, as a varint */
export function varint(value: number | bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return Uint8Array.from([...bytes, Number(rest)]);
}

/** @returns a field of a message: a number, or bytes with their length */
export function field(number: number, value: number | bigint | string | Uint8Array): Uint8Array {
  if (typeof value === 'number' || typeof value === 'bigint')
    return concat(varint(8 * number), varint(value));
  const bytes = typeof value === 'string' ? encoder.encode(value) : value;
  return concat(varint(8 * number + 2), varint(bytes.length), bytes);
}

/** How a tensor's elements are kept: `TensorProto`'s fields for them. */
export type Data = (tensor: Tensor) => Uint8Array;

export const rawData: Data = ({ bytes }) => field(9, bytes);
export const floatData: Data = ({ bytes }) => field(4, bytes);

/** @returns where another file holds the elements */
export const externalData = (location: string, offset?: number, length?: number): Data => {
  const entry = (key: string, value: string): Uint8Array => field(13, concat(field(1, key), field(2, value)));
  return () =>
    concat(
      entry('location', location),
      offset === undefined ? [] : entry('offset', String(offset)),
      length === undefined ? [] : entry('length', String(length)),
      field(14, 1),
    );
};

/** @returns a `TensorProto` */
export function tensorProto(tensor: Tensor, data: Data = rawData, type = TYPES[tensor.dtype]): Uint8Array {
  const dims = tensor.shape.length === 0 ? [] : field(1, concat(...tensor.shape.map(varint)));
  return concat(dims, field(2, type), field(8, tensor.name), data(tensor));
}

/** @returns a `ModelProto` around what a graph's message holds */
export function onnxModel(...graph: Uint8Array[]): Uint8Array {
  const operators = field(8, field(2, 13));
  return concat(field(1, 8), field(2, 'tests'), field(7, concat(...graph, field(2, 'main'))), operators);
}

/** A whole number, a list of them, a text, a graph; a float; a tensor's message. */
export type AttributeDraft =
  | number
  | readonly number[]
  | string
  | Uint8Array
  | { readonly float: number }
  | { readonly tensor: Uint8Array }
  | { readonly texts: readonly string[] }
  /** In a function: the name of the function's attribute that it stands for, and its type. */
  | { readonly reference: string; readonly type: number };

/** Inputs, outputs and attributes of a node. */
export interface NodeDraft {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, AttributeDraft>>;
  readonly domain?: string;
  readonly name?: string;
  readonly overload?: string;
}

/** @returns the fields of an attribute's value and type */
function attributeValue(value: AttributeDraft): Uint8Array {
  if (typeof value === 'number') return concat(field(3, value), field(20, 2));
  if (typeof value === 'string') return concat(field(4, value), field(20, 3));
  if (value instanceof Uint8Array) return concat(field(6, value), field(20, 5));
  if ('tensor' in value) return concat(field(5, value.tensor), field(20, 4));
  if ('reference' in value) return concat(field(21, value.reference), field(20, value.type));
  if ('texts' in value) return concat(...value.texts.map((text) => field(9, text)), field(20, 8));
  if (!('float' in value)) return concat(field(8, concat(...value.map(varint))), field(20, 7));
  const bytes = new Uint8Array(Float32Array.of(value.float).buffer);
  return concat(varint(8 * 2 + 5), bytes, field(20, 1));
}

function attributeProto(name: string, value: AttributeDraft): Uint8Array {
  return concat(field(1, name), attributeValue(value));
}

/** A function of a model. */
export interface FunctionDraft {
  readonly domain: string;
  readonly inputs?: readonly string[];
  readonly outputs?: readonly string[];
  /** Attributes without a value, and values of others. */
  readonly attributes?: readonly string[];
  readonly defaults?: NodeDraft['attributes'];
  readonly nodes: readonly (readonly [operator: string, draft: NodeDraft])[];
  readonly overload?: string;
  /** Version of the standard operators, and domains of functions that it calls. */
  readonly opset?: number;
  readonly calls?: readonly string[];
}

/** @returns a `FunctionProto` as a field of a model */
export function functionProto(name: string, draft: FunctionDraft): Uint8Array {
  const { domain, inputs = [], outputs = [], attributes = [], defaults = {}, nodes, overload } = draft;
  const { opset = 17, calls = [] } = draft;
  return field(
    25,
    concat(
      field(1, name),
      ...inputs.map((each) => field(4, each)),
      ...outputs.map((each) => field(5, each)),
      ...attributes.map((each) => field(6, each)),
      ...nodes.map(([operator, each]) => field(7, nodeProto(operator, each))),
      field(9, field(2, opset)),
      ...calls.map((each) => field(9, concat(field(1, each), field(2, 1)))),
      field(10, domain),
      ...Object.entries(defaults).map((entry) => field(11, attributeProto(...entry))),
      overload ? field(13, overload) : [],
    ),
  );
}

/** @returns a node as a field of a graph */
export function node(operator: string, draft: NodeDraft): Uint8Array {
  return field(1, nodeProto(operator, draft));
}

function nodeProto(
  operator: string,
  { inputs, outputs, attributes = {}, name, domain, overload }: NodeDraft,
): Uint8Array {
  const entries = Object.entries(attributes).map((entry) => field(5, attributeProto(...entry)));
  const names = [...inputs.map((name) => field(1, name)), ...outputs.map((name) => field(2, name))];
  const texts = [
    name ? field(3, name) : [],
    domain ? field(7, domain) : [],
    overload ? field(8, overload) : [],
  ];
  return concat(...names, field(4, operator), ...entries, ...texts);
}

const floats = (name: string, shape: readonly number[]): Uint8Array => {
  const dims = shape.map((size) => field(1, field(1, size)));
  return concat(field(1, name), field(2, field(1, concat(field(1, 1), field(2, concat(...dims))))));
};

/** @returns an input of a graph, float32 */
export const graphInput = (name: string, shape: readonly number[]): Uint8Array =>
  field(11, floats(name, shape));

/** @returns an output of a graph, float32 */
export const graphOutput = (name: string, shape: readonly number[]): Uint8Array =>
  field(12, floats(name, shape));

/** @returns a node that holds graphs, as branches do */
export function nodeWith(...graphs: Uint8Array[]): Uint8Array {
  const attributes = graphs.map((graph, i) => field(5, concat(field(1, `branch${i}`), field(6, graph))));
  return field(1, concat(field(4, 'If'), ...attributes));
}

/** @returns a model as an ONNX file, its tensors as initialisers with raw data behind a node */
export function writeOnnx({ tensors }: Model): Uint8Array {
  return onnxModel(nodeWith(), ...tensors.map((tensor) => field(5, tensorProto(tensor))));
}
