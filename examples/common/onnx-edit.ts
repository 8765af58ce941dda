// Edits the graph of an ONNX file as protocol buffers, without a schema of the rest (onnx.proto, version 13).

/** A field of a message: its number, its bytes in the file, and its content unless that is a number. */
interface Field {
  readonly number: number;
  readonly raw: Uint8Array;
  readonly content: Uint8Array | undefined;
}

/** Numbers of the fields that are read or written here. */
const MODEL_GRAPH = 7;
const GRAPH = { node: 1, initializer: 5, input: 11, output: 12, valueInfo: 13 } as const;
const NODE = { input: 1, output: 2, operator: 4 } as const;
/** Of ports and of values; of tensors it is 8. */
const NAME = 1;

const FLOAT = 1;
const LENGTH_DELIMITED = 2;

/** A value of a graph and its shape; null for any size. */
export interface Value {
  readonly name: string;
  readonly shape: readonly (number | null)[];
}

/** @returns the file with more of its values as outputs, for a runtime that is to tell them */
export function withOutputs(file: Uint8Array, names: readonly string[]): Uint8Array {
  const outputs = names.map((name) => field(GRAPH.output, text(NAME, name)));
  return editGraph(file, (fields) => [...fields.map(({ raw }) => raw), ...outputs]);
}

/**
 * Cuts a network: what remains takes a value in the middle as its input. All weights stay in the file, those
 * that are no longer used too, so that the rest has the tensors of the whole.
 *
 * @param cut a value that all paths from the inputs to the outputs pass
 */
export function upperPart(file: Uint8Array, cut: Value): Uint8Array {
  return editGraph(file, (fields) => {
    const needed = nodesAbove(fields, cut.name);
    const kept = fields.filter(({ number, content }) => {
      if (number === GRAPH.node)
        return needed.has(content as Uint8Array) || isConstant(content as Uint8Array);
      if (number === GRAPH.valueInfo) return texts(content as Uint8Array, NAME)[0] !== cut.name;
      return number !== GRAPH.input;
    });
    return [...kept.map(({ raw }) => raw), port(GRAPH.input, cut)];
  });
}

/** A layer of classes behind a network. */
export interface Classifier {
  /** A value with a row of numbers for each example: its last dimension is the size of the rows. */
  readonly from: Value;
  readonly classes: number;
  /** Weights of the layer, one row of the size of `classes` for each number of `from`. */
  readonly kernel: Float32Array;
}

/** Names of the weights and values of a classifier. */
export const CLASSIFIER = {
  kernel: 'classifier/kernel',
  bias: 'classifier/bias',
  logits: 'classifier/logits',
  output: 'probabilities',
} as const;

/** @returns the file with a layer of classes and a softmax as its only output; opset 13 or later */
export function withClassifier(file: Uint8Array, { from, classes, kernel }: Classifier): Uint8Array {
  const size = from.shape.at(-1) as number;
  const added = [
    node('Flatten', [from.name], 'classifier/rows'),
    node('MatMul', ['classifier/rows', CLASSIFIER.kernel], 'classifier/products'),
    node('Add', ['classifier/products', CLASSIFIER.bias], CLASSIFIER.logits),
    node('Softmax', [CLASSIFIER.logits], CLASSIFIER.output),
    field(GRAPH.initializer, tensor({ name: CLASSIFIER.kernel, shape: [size, classes] }, kernel)),
    field(GRAPH.initializer, tensor({ name: CLASSIFIER.bias, shape: [classes] }, new Float32Array(classes))),
    port(GRAPH.output, { name: CLASSIFIER.output, shape: [null, classes] }),
  ];
  return editGraph(file, (fields) => [
    ...fields.filter(({ number }) => number !== GRAPH.output).map(({ raw }) => raw),
    ...added,
  ]);
}

function editGraph(file: Uint8Array, edit: (fields: readonly Field[]) => Uint8Array[]): Uint8Array {
  const parts = readFields(file).map(({ number, raw, content }) =>
    number === MODEL_GRAPH ? field(number, joined(edit(readFields(content as Uint8Array)))) : raw,
  );
  return joined(parts);
}

/** @returns the nodes between a value and the outputs, that value's own excepted */
function nodesAbove(fields: readonly Field[], cut: string): Set<Uint8Array> {
  const of = (wanted: number): Uint8Array[] =>
    fields.filter(({ number }) => number === wanted).map(({ content }) => content as Uint8Array);
  const makers = new Map(
    of(GRAPH.node).flatMap((each) => texts(each, NODE.output).map((name) => [name, each] as const)),
  );
  const needed = new Set<Uint8Array>();
  const queue = of(GRAPH.output).flatMap((output) => texts(output, NAME));
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    const maker = name === cut ? undefined : makers.get(name);
    if (maker === undefined || needed.has(maker)) continue;
    needed.add(maker);
    queue.push(...texts(maker, NODE.input));
  }
  return needed;
}

function isConstant(content: Uint8Array): boolean {
  return texts(content, NODE.operator)[0] === 'Constant';
}

/** Splits a message into its fields: varints, and bytes with their length, are all that is met here. */
function readFields(message: Uint8Array): Field[] {
  const fields: Field[] = [];
  let position = 0;
  const varint = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = message[position++];
      if (byte === undefined) throw new Error('Cannot edit ONNX file: expected another byte, got its end');
      value += factor * (byte & 127);
      if (byte < 128) return value;
    }
  };
  while (position < message.length) {
    const start = position;
    const key = varint();
    const bytes = varint();
    const isNumber = key % 8 !== LENGTH_DELIMITED;
    const content = isNumber ? undefined : message.subarray(position, position + bytes);
    if (!isNumber) position += bytes;
    fields.push({ number: Math.floor(key / 8), raw: message.subarray(start, position), content });
  }
  return fields;
}

/** @returns the texts in all fields of a number; attributes are not looked into */
function texts(message: Uint8Array, wanted: number): string[] {
  return readFields(message)
    .filter(({ number }) => number === wanted)
    .map(({ content }) => new TextDecoder().decode(content));
}

function varintBytes(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...varintBytes(Math.floor(value / 128))];
}

function field(number: number, content: Uint8Array): Uint8Array {
  return joined([
    Uint8Array.from([...varintBytes(8 * number + LENGTH_DELIMITED), ...varintBytes(content.length)]),
    content,
  ]);
}

function numberField(number: number, value: number): Uint8Array {
  return Uint8Array.from([...varintBytes(8 * number), ...varintBytes(value)]);
}

function text(number: number, value: string): Uint8Array {
  return field(number, new TextEncoder().encode(value));
}

function node(operator: string, inputs: readonly string[], output: string): Uint8Array {
  const names = [...inputs.map((name) => text(NODE.input, name)), text(NODE.output, output)];
  return field(GRAPH.node, joined([...names, text(NODE.operator, operator)]));
}

/** @returns an input or output of float32 */
function port(number: number, { name, shape }: Value): Uint8Array {
  const sizes = shape.map((size) => field(1, size === null ? text(2, 'batch') : numberField(1, size)));
  const type = field(1, joined([numberField(1, FLOAT), field(2, joined(sizes))]));
  return field(number, joined([text(NAME, name), field(2, type)]));
}

function tensor(
  { name, shape }: { name: string; shape: readonly number[] },
  values: Float32Array,
): Uint8Array {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const sizes = shape.map((size) => numberField(1, size));
  return joined([...sizes, numberField(2, FLOAT), text(8, name), field(9, bytes)]);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const result = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let position = 0;
  for (const part of parts) {
    result.set(part, position);
    position += part.length;
  }
  return result;
}
