import { invalidOnnx, textOf, varintsOf } from '../containers/onnx-tensor.js';
import type { WireField, WireReader } from '../containers/wire-reader.js';
import { NeuralDiffError } from '../model/errors.js';
import type { Attribute, OnnxConstant, OnnxGraph } from './graph.js';

/** Field numbers of `AttributeProto`. */
const NAME = 1;
const FLOAT = 2;
const INT = 3;
const TEXT = 4;
const TENSOR = 5;
const GRAPH = 6;
const FLOATS = 7;
const INTS = 8;
const TEXTS = 9;
const GRAPHS = 11;
const TYPE = 20;
const REFERENCE = 21;

/** `AttributeProto.AttributeType` by the field that holds the value. */
const TYPES: ReadonlyMap<number, number> = new Map([
  [FLOAT, 1],
  [INT, 2],
  [TEXT, 3],
  [TENSOR, 4],
  [GRAPH, 5],
  [FLOATS, 6],
  [INTS, 7],
  [TEXTS, 8],
]);

/** What an attribute is if its field is left out: writers may leave out zeros and empty lists. */
const DEFAULTS: ReadonlyMap<number, Attribute> = new Map<number, Attribute>([
  [1, 0],
  [2, 0],
  [3, ''],
  [6, []],
  [7, []],
  [8, []],
]);

/** Numbers in an attribute's list. */
const MAX_NUMBERS = 2 ** 16;

/** Reads what is in an attribute but has a name of its own in the store. */
export interface AttributeParts {
  /** @param attribute the attribute's name */
  tensor(field: WireField, attribute: string): Promise<OnnxConstant>;
  graph(field: WireField): Promise<OnnxGraph>;
}

/** An attribute of a node; in a function, one whose value comes from the call has a `reference`. */
export interface NamedAttribute {
  readonly name: string;
  /** Undefined if it has none here. */
  readonly value: Attribute | undefined;
  /** The name of the function's attribute that it stands for. */
  readonly reference: string;
}

/**
 * Reads an `AttributeProto`.
 *
 * @throws NeuralDiffError `bad-model`; `unsupported-model` for lists of tensors or graphs, types, and sparse
 *   tensors
 */
export async function readAttribute(
  reader: WireReader,
  { wire, start, end }: WireField,
  parts: AttributeParts,
): Promise<NamedAttribute> {
  if (wire !== 2) throw invalidOnnx('invalid attribute');
  const found = new Map<number, WireField>();
  const lists = new Map<number, (number | string)[]>();
  const [head, values] = [{ name: '', reference: '', type: 0 }, new Map<number, Attribute>()];
  for await (const field of reader.fields(start, end)) {
    const { field: number } = field;
    if (number === NAME) head.name = await textOf(field, reader);
    else if (number === REFERENCE) head.reference = await textOf(field, reader);
    else if (number === TYPE) head.type = Number(field.value);
    else if (number === FLOATS) addTo(lists, field, await floatsOf(field, reader));
    else if (number === INTS) addTo(lists, field, await intsOf(field, reader));
    else if (number === TEXTS) addTo(lists, field, [await textOf(field, reader)]);
    else if (number === FLOAT) values.set(number, (await floatsOf(field, reader))[0] ?? 0);
    else if (number === INT) values.set(number, signed(field.value));
    else if (number === TEXT) values.set(number, await textOf(field, reader));
    else if (number === GRAPHS) throw unsupported(head.name, 'a list of graphs');
    else if (found.has(number)) throw invalidOnnx(`attribute "${head.name}" has two values`);
    else if (number === TENSOR || number === GRAPH) found.set(number, field);
  }
  for (const [number, list] of lists) values.set(number, list as Attribute);
  // Their names in the store need the attribute's own, which may follow them.
  const [tensor, graph] = [found.get(TENSOR), found.get(GRAPH)];
  if (tensor) values.set(TENSOR, await parts.tensor(tensor, head.name));
  if (graph) values.set(GRAPH, await parts.graph(graph));
  const value = head.reference === '' ? choose(values, head) : undefined;
  return { name: head.name, reference: head.reference, value };
}

/** @returns the value of an attribute of the given type; files of the first versions leave the type out */
function choose(
  values: ReadonlyMap<number, Attribute>,
  { name, type }: { name: string; type: number },
): Attribute {
  for (const [field, value] of values) if (type === 0 || TYPES.get(field) === type) return value;
  if (values.size > 0) throw invalidOnnx(`attribute "${name}" has a value of another type than it says`);
  const value = DEFAULTS.get(type);
  if (value !== undefined) return value;
  throw unsupported(name, `type ${type}`);
}

function unsupported(name: string, what: string): NeuralDiffError {
  return new NeuralDiffError(
    'unsupported-model',
    `Cannot read attribute "${name}" of the ONNX model: expected numbers, texts, a tensor or a graph, got ${what}`,
  );
}

function addTo(
  lists: Map<number, (number | string)[]>,
  { field }: WireField,
  values: readonly (number | string)[],
): void {
  const list = lists.get(field) ?? [];
  lists.set(field, list);
  if (list.length + values.length > MAX_NUMBERS)
    throw invalidOnnx(`expected at most ${MAX_NUMBERS} values in an attribute's list`);
  for (const value of values) list.push(value);
}

/** @returns floats of a field, packed or not */
async function floatsOf({ wire, start, end }: WireField, reader: WireReader): Promise<number[]> {
  const length = end - start;
  if ((wire !== 2 && wire !== 5) || length % 4 !== 0 || length > 4 * MAX_NUMBERS)
    throw invalidOnnx(`expected at most ${MAX_NUMBERS} floats in an attribute`);
  const bytes = await reader.bytes(start, end);
  const view = new DataView(bytes.buffer, bytes.byteOffset, length);
  return Array.from({ length: length / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

async function intsOf(field: WireField, reader: WireReader): Promise<number[]> {
  return (await varintsOf(field, reader, MAX_NUMBERS)).map(signed);
}

function signed(value: bigint): number {
  return Number(BigInt.asIntN(64, value));
}
