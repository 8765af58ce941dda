import { describe, expect, test } from 'vitest';
import { openMemoryFiles } from '../../src/model/model-files.js';
import { readOnnxModel } from '../../src/onnx/read-graph.js';
import {
  field,
  functionProto,
  graphInput,
  graphOutput,
  node,
  nodeWith,
  onnxModel,
  tensorProto,
  varint,
} from '../containers/write-onnx.js';
import { concat, createRandom, seededTensor } from '../support.js';
import { mutate, mutateInPlace } from './mutate.js';
import { type HostileCase, tryCases } from './try-cases.js';

/** Mutations of a model. */
const RUNS = 30_000;

/** Bytes that a small file may take. */
const BOMB_BYTES = 200_000;

/** Milliseconds for a file of that size. */
const LIMIT_MS = 2_000;

const read = (bytes: Uint8Array) =>
  readOnnxModel(openMemoryFiles(new Map([['model.onnx', bytes]])), 'model.onnx');

const kernel = seededTensor('kernel', 'float32', [3, 4]);
const constant = concat(
  field(2, 'c'),
  field(4, 'Constant'),
  field(5, concat(field(1, 'value'), field(5, tensorProto(kernel)))),
);
const branch = concat(field(1, constant), node('Relu', { inputs: ['c'], outputs: ['inner'] }));

const called = functionProto('Called', {
  ...{
    domain: 'local',
    inputs: ['x'],
    outputs: ['y'],
    attributes: ['axis'],
    defaults: { mode: 'edge' },
    opset: 13,
  },
  nodes: [
    ['Pad', { inputs: ['x'], outputs: ['h'], attributes: { mode: { reference: 'mode', type: 3 } } }],
    ['If', { inputs: ['h'], outputs: ['y'], attributes: { then_branch: branch } }],
  ],
});

const graph = onnxModel(
  graphInput('x', [2, 3]),
  field(5, tensorProto(kernel)),
  node('MatMul', { inputs: ['x', 'kernel'], outputs: ['product'] }),
  node('Pad', {
    inputs: ['product'],
    outputs: ['padded'],
    attributes: { pads: [0, 1, 2, 300], value: { float: 1 }, mode: 'edge', axis: -1, body: branch },
  }),
  node('Called', { inputs: ['padded'], outputs: ['h'], domain: 'local', name: 'call' }),
  node('Table', { inputs: ['h', ''], outputs: ['y'], attributes: { names: { texts: ['a', 'b'] } } }),
  graphOutput('y', [2, 4]),
);
const model = concat(graph, called);

function* mutations(): Generator<HostileCase> {
  const random = createRandom(31);
  for (let i = 0; i < RUNS; i++) {
    const change = i % 2 === 0 ? mutate : mutateInPlace;
    yield { name: `mutation ${i}`, run: () => read(change(model, random)) };
  }
}

const times = (count: number, bytes: Uint8Array): Uint8Array => {
  const all = new Uint8Array(count * bytes.length);
  for (let i = 0; i < count; i++) all.set(bytes, i * bytes.length);
  return all;
};
const operator = field(4, 'X');
const withAttribute = (...parts: Uint8Array[]): Uint8Array =>
  onnxModel(field(1, concat(operator, field(5, concat(field(1, 'a'), ...parts)))));
const nested = (depth: number): Uint8Array => {
  let graph = node('Relu', { inputs: [], outputs: ['y'] });
  for (let i = 0; i < depth; i++) graph = nodeWith(graph);
  return graph;
};

/** @returns a function that calls the next one some times */
const caller = (i: number, calls: number): Uint8Array =>
  functionProto(`F${i}`, {
    domain: '',
    nodes: Array.from({ length: calls }, () => [`F${i + 1}`, { inputs: [], outputs: [] }]),
    opset: 13,
  });

/** Small files that ask for much work. */
const BOMBS: Readonly<Record<string, () => Uint8Array>> = {
  'very many nodes': () => onnxModel(times(33_000, field(1, operator))),
  'very many empty nodes': () => onnxModel(times(99_000, field(1, concat()))),
  'very many empty inputs': () => onnxModel(field(1, concat(operator, times(99_000, field(1, ''))))),
  'very many values': () => onnxModel(field(1, concat(operator, times(60_000, field(2, 'a'))))),
  'very many attributes': () => onnxModel(field(1, concat(operator, times(60_000, field(5, concat()))))),
  'a long list': () => withAttribute(field(8, new Uint8Array(190_000))),
  'a long list, a number each': () => withAttribute(times(60_000, field(8, 1))),
  'a long list of floats': () => withAttribute(field(7, new Uint8Array(190_000))),
  'a long list of texts': () => withAttribute(times(90_000, field(9, ''))),
  'a long text': () => withAttribute(field(4, 'x'.repeat(190_000))),
  'very many sizes': () =>
    onnxModel(
      field(11, concat(field(1, 'x'), field(2, field(1, field(2, times(60_000, field(1, concat()))))))),
    ),
  'very many types': () => onnxModel(field(11, concat(field(1, 'x'), times(90_000, field(2, concat()))))),
  'very many inputs': () => onnxModel(times(60_000, field(11, concat()))),
  'very many versions': () => concat(onnxModel(), times(40_000, field(8, field(2, 1)))),
  'deep graphs': () => onnxModel(nested(1_000)),
  'functions that call others twice': () =>
    concat(
      onnxModel(node('F0', { inputs: [], outputs: [] })),
      ...Array.from({ length: 40 }, (_, i) => caller(i, 2)),
      functionProto('F40', { domain: '', nodes: [['X', { inputs: [], outputs: ['y'] }]], opset: 13 }),
    ),
  'very many calls of the same name': () =>
    concat(
      onnxModel(times(15_000, node('F', { inputs: [], outputs: [], name: 'a' }))),
      functionProto('F', { domain: '', nodes: [['X', { inputs: [], outputs: ['y'] }]], opset: 13 }),
    ),
  'very many functions': () => concat(onnxModel(), times(30_000, field(25, field(1, 'F')))),
  'a tensor of very many sizes': () => onnxModel(field(5, field(1, new Uint8Array(190_000)))),
  'very many names of a tensor': () => onnxModel(field(5, times(20_000, field(8, 'a')))),
  'a number without end': () => onnxModel(concat(varint(8), times(190_000, Uint8Array.of(0xff)))),
};

describe('readOnnxModel()', () => {
  test(`meets ${RUNS} mutations with typed errors or a graph`, async () => {
    await read(model);
    const { accepted, refused } = await tryCases('ONNX graphs', mutations(), { limitMs: LIMIT_MS });
    expect(accepted).toBeGreaterThan(0);
    expect(refused['bad-model']).toBeGreaterThan(RUNS / 10);
  });

  test('reads or refuses small files that ask for much work, in little time and memory', async () => {
    const cases = Object.entries(BOMBS).map(([name, make]): HostileCase => {
      const bytes = make();
      expect(bytes.length, name).toBeLessThanOrEqual(BOMB_BYTES);
      return { name, run: () => read(bytes) };
    });
    const { cases: count } = await tryCases('small ONNX graphs that ask for much work', cases, {
      limitMs: LIMIT_MS,
    });
    expect(count).toBe(Object.keys(BOMBS).length);
  });
});
