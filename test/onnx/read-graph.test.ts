import { expect, test } from 'vitest';
import { openContainer } from '../../src/containers/open-container.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import type { OnnxModel } from '../../src/onnx/graph.js';
import { readOnnxModel } from '../../src/onnx/read-graph.js';
import {
  field,
  graphInput,
  graphOutput,
  node,
  onnxModel,
  tensorProto,
  varint,
} from '../containers/write-onnx.js';
import { codeOf, concat, seededTensor } from '../support.js';

const FILE = 'model.onnx';
const folder = (bytes: Uint8Array) => openMemoryFiles(new Map([[FILE, bytes]]));
const read = (...graph: Uint8Array[]): Promise<OnnxModel> => readOnnxModel(folder(onnxModel(...graph)), FILE);
const refusal = (...graph: Uint8Array[]) => codeOf(() => read(...graph));

const kernel = seededTensor('kernel', 'float32', [3, 4]);
const initializer = field(5, tensorProto(kernel));
const relu = node('Relu', { inputs: ['x'], outputs: ['y'] });
const x = graphInput('x', [2, 3]);

/** @returns a node's message */
const body = (operator: string, inputs: string[], outputs: string[], ...attributes: Uint8Array[]) =>
  concat(
    ...inputs.map((name) => field(1, name)),
    ...outputs.map((name) => field(2, name)),
    field(4, operator),
    ...attributes.map((attribute) => field(5, attribute)),
  );
const float = (value: number): Uint8Array => new Uint8Array(Float32Array.of(value).buffer);

test('readOnnxModel() reads operators, versions, constants, inputs and outputs', async () => {
  const { graph, opsets } = await read(
    node('MatMul', { inputs: ['x', 'kernel'], outputs: ['y'] }),
    initializer,
    x,
    graphInput('kernel', [3, 4]),
    graphOutput('y', [2, 0]),
  );
  expect([...opsets]).toEqual([['', 13]]);
  expect(graph.nodes).toEqual([
    {
      op: 'MatMul',
      domain: '',
      name: '#0',
      inputs: ['x', 'kernel'],
      outputs: ['y'],
      attributes: new Map(),
    },
  ]);
  expect([...graph.constants]).toEqual([['kernel', { type: 'float32', shape: [3, 4], stored: 'kernel' }]]);
  expect(graph.inputs).toEqual([{ name: 'x', type: 'float32', shape: [2, 3] }]);
  expect(graph.outputs).toEqual([{ name: 'y', type: 'float32', shape: [2, null] }]);
});

test('readOnnxModel() reads attributes of each type', async () => {
  const attribute = (name: string, type: number, ...values: Uint8Array[]) =>
    concat(field(1, name), ...values, field(20, type));
  const packed = concat(varint(-1n), varint(300));
  const message = body(
    'Test',
    ['x', ''],
    ['y'],
    attribute('float', 1, varint(8 * 2 + 5), float(0.5)),
    attribute('int', 2, field(3, -7n)),
    attribute('zero', 2),
    attribute('text', 3, field(4, 'same')),
    attribute('floats', 6, field(7, concat(float(1), float(2)))),
    attribute('loose', 6, varint(8 * 7 + 5), float(3), varint(8 * 7 + 5), float(4)),
    attribute('ints', 7, field(8, packed)),
    attribute('none', 7),
    attribute('texts', 8, field(9, 'a'), field(9, 'b')),
    concat(field(1, 'untyped'), field(8, 5)),
  );
  const { graph } = await read(field(1, message), x);
  expect(graph.nodes[0]?.inputs).toEqual(['x', '']);
  expect(Object.fromEntries(graph.nodes[0]?.attributes ?? [])).toEqual({
    float: 0.5,
    int: -7,
    zero: 0,
    text: 'same',
    floats: [1, 2],
    loose: [3, 4],
    ints: [-1, 300],
    none: [],
    texts: ['a', 'b'],
    untyped: [5],
  });
});

test('readOnnxModel() names constants as the store does, in branches too', async () => {
  const proto = field(5, tensorProto(kernel));
  const constant = (output: string) =>
    field(1, body('Constant', [], [output], concat(field(1, 'value'), proto)));
  const graphOf = (name: string, ...parts: Uint8Array[]) =>
    concat(field(1, name), field(6, concat(...parts)));
  const branches = body(
    'If',
    ['x'],
    ['y'],
    graphOf('then', constant('c'), initializer),
    graphOf('else', field(1, body('If', ['x'], ['z'], graphOf('then', constant('c'))))),
  );
  const nameless = body('Table', ['x'], [], concat(field(1, 'rows'), proto));
  const bytes = onnxModel(
    constant('c'),
    field(1, body('Table', ['x'], ['t'], concat(field(1, 'rows'), proto))),
    field(1, nameless),
    field(1, branches),
    initializer,
    x,
  );
  const { graph } = await readOnnxModel(folder(bytes), FILE);
  const stored: string[] = [];
  const collect = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    if ('stored' in value) stored.push(value.stored as string);
    for (const each of value instanceof Map ? value.values() : Object.values(value)) collect(each);
  };
  collect(graph);
  const store = await openContainer(folder(bytes), FILE);
  expect(stored.sort()).toEqual(store.tensors.map(({ name }) => name).sort());
  expect(stored).toContain('3.1/0.0/c');
});

test('readOnnxModel() reads shapes that are symbolic or unknown', async () => {
  const symbolic = concat(field(1, field(2, 'batch')), field(1, field(1, 4)), field(1, concat()));
  const typed = (parts: Uint8Array) => field(2, field(1, parts));
  const port = (name: string, type: Uint8Array) => field(11, concat(field(1, name), type));
  const { graph } = await read(
    port('a', typed(concat(field(1, 7), field(2, symbolic)))),
    port('b', typed(field(1, 1))),
    port('c', concat()),
    port('d', field(2, field(4, field(1, 1)))),
  );
  expect(graph.inputs).toEqual([
    { name: 'a', type: 'int64', shape: [null, 4, null] },
    { name: 'b', type: 'float32', shape: undefined },
    { name: 'c', type: undefined, shape: undefined },
    { name: 'd', type: undefined, shape: undefined },
  ]);
});

test('readOnnxModel() takes the two names of the standard operators for one', async () => {
  const opset = (domain: string, version: number) => field(8, concat(field(1, domain), field(2, version)));
  const graph = field(7, concat(field(1, concat(body('Relu', ['x'], ['y']), field(7, 'ai.onnx'))), x));
  const bytes = concat(graph, opset('ai.onnx', 17), opset('com.microsoft', 1));
  const model = await readOnnxModel(folder(bytes), FILE);
  expect([...model.opsets]).toEqual([
    ['', 17],
    ['com.microsoft', 1],
  ]);
  expect(model.graph.nodes[0]?.domain).toBe('');
  const twice = concat(bytes, opset('', 16));
  expect(await codeOf(() => readOnnxModel(folder(twice), FILE))).toBe('bad-model');
});

test('readOnnxModel() refuses values without an origin, with two, and nodes before their inputs', async () => {
  const after = node('Relu', { inputs: ['y'], outputs: ['z'] });
  expect((await read(x, relu, after)).graph.nodes).toHaveLength(2);
  expect(await refusal(x, after, relu)).toBe('bad-model');
  expect(await refusal(relu)).toBe('bad-model');
  expect(await refusal(x, relu, relu)).toBe('bad-model');
  expect(await refusal(x, x, relu)).toBe('bad-model');
  expect(await refusal(initializer, initializer)).toBe('bad-model');
  expect(await refusal(x, relu, graphOutput('z', [1]))).toBe('bad-model');
  const branch = concat(field(1, 'then'), field(6, concat(after)));
  expect(await refusal(x, field(1, body('If', ['x'], ['b'], branch)), relu)).toBe('bad-model');
  expect((await read(x, relu, field(1, body('If', ['x'], ['b'], branch)))).graph.nodes).toHaveLength(2);
});

test('readOnnxModel() refuses attributes that are broken or have no meaning here', async () => {
  const withAttribute = (...parts: Uint8Array[]) =>
    refusal(x, field(1, body('Test', ['x'], ['y'], concat(field(1, 'a'), ...parts))));
  const proto = tensorProto(kernel);
  expect(await withAttribute(field(3, 1), field(20, 1))).toBe('bad-model');
  expect(await withAttribute(field(7, Uint8Array.of(1, 2, 3)))).toBe('bad-model');
  expect(await withAttribute(field(5, proto), field(5, proto))).toBe('bad-model');
  expect(await withAttribute(field(21, 'alpha'))).toBe('bad-model');
  expect(await withAttribute(field(8, new Uint8Array(70_000)))).toBe('unsupported-model');
  expect(await withAttribute(field(11, concat()))).toBe('unsupported-model');
  expect(await withAttribute(field(20, 13))).toBe('unsupported-model');
  expect(
    await withAttribute(
      field(
        5,
        tensorProto(kernel, () => concat(), 8),
      ),
    ),
  ).toBe('unsupported-model');
  const twice = concat(field(1, 'a'), field(3, 1));
  expect(await refusal(x, field(1, body('Test', ['x'], ['y'], twice, twice)))).toBe('bad-model');
});

test('readOnnxModel() refuses broken messages', async () => {
  const whole = onnxModel(x, relu);
  const graph = field(7, concat(relu, x));
  expect(await codeOf(() => readOnnxModel(folder(concat(graph, graph)), FILE))).toBe('bad-model');
  expect(await codeOf(() => readOnnxModel(folder(field(1, 8)), FILE))).toBe('bad-model');
  expect(await codeOf(() => readOnnxModel(folder(whole.slice(0, -20)), FILE))).toBe('bad-model');
  expect(await refusal(field(1, 5))).toBe('bad-model');
  expect(await refusal(x, field(1, body('', ['x'], ['y'])))).toBe('bad-model');
  expect(await refusal(field(15, concat()))).toBe('unsupported-model');
  let nested = concat(relu);
  for (let depth = 0; depth < 17; depth++)
    nested = field(1, body('If', ['x'], [], concat(field(1, 'then'), field(6, nested))));
  expect(await refusal(x, nested)).toBe('bad-model');
});
