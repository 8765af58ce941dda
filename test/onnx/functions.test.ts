import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { openMemoryFiles } from '../../src/model/model-files.js';
import type { OnnxModel } from '../../src/onnx/graph.js';
import { readOnnxModel } from '../../src/onnx/read-graph.js';
import { useBackend } from '../../src/tfjs/backend.js';
import {
  type FunctionDraft,
  field,
  functionProto,
  type NodeDraft,
  node,
  tensorProto,
} from '../containers/write-onnx.js';
import { codeOf, concat, errorOf } from '../support.js';
import { expectGradients, expectLikeRuntime } from './compare.js';
import { type GraphDraft, networkOf, onnxFile, randomTensor, weightOf } from './graphs.js';

beforeAll(() => useBackend('wasm'));

const readFile = (bytes: Uint8Array): Promise<OnnxModel> =>
  readOnnxModel(openMemoryFiles(new Map([['model.onnx', bytes]])), 'model.onnx');
const read = (draft: GraphDraft): Promise<OnnxModel> => readFile(onnxFile(draft));
const tensor = (shape: readonly number[], seed: number) => ({
  tensor: tensorProto(weightOf('', { shape }, seed)),
});
/** @returns an attribute of a function, by the number of its type */
const reference = (name: string, type: number) => ({ reference: name, type });
const float = (value: number) => ({ float: value });

/** A layer whose slope is an attribute with a default, and whose scale is a tensor in it. */
const layer: FunctionDraft = {
  domain: 'local',
  inputs: ['x', 'kernel', 'bias'],
  outputs: ['y', 'scaled'],
  attributes: ['axis'],
  defaults: { slope: float(0.25) },
  nodes: [
    ['Constant', { inputs: [], outputs: ['scale'], attributes: { value: tensor([3], 5) } }],
    ['MatMul', { inputs: ['x', 'kernel'], outputs: ['product'] }],
    ['Mul', { inputs: ['product', 'scale'], outputs: ['scaled'] }],
    [
      'Activation',
      {
        inputs: ['scaled'],
        outputs: ['active'],
        domain: 'inner',
        name: 'act',
        attributes: { slope: reference('slope', 1) },
      },
    ],
    ['Sum', { inputs: ['active', 'bias'], outputs: ['sum'] }],
    ['Softmax', { inputs: ['sum'], outputs: ['y'], attributes: { axis: reference('axis', 2) } }],
  ],
  calls: ['inner'],
};

/** @returns a graph that gives one value, of an operator on `x` */
const branch = (operator: string, attributes: NonNullable<NodeDraft['attributes']>): Uint8Array =>
  concat(
    node(operator, { inputs: ['x'], outputs: ['chosen'], attributes }),
    field(2, operator),
    field(12, field(1, 'chosen')),
  );

/** Chooses between two operators by an attribute. */
const activation: FunctionDraft = {
  domain: 'inner',
  inputs: ['x'],
  outputs: ['y'],
  attributes: ['slope', 'absent'],
  nodes: [
    ['Constant', { inputs: [], outputs: ['alpha'], attributes: { value_float: reference('slope', 1) } }],
    ['Cast', { inputs: ['alpha'], outputs: ['flag'], attributes: { to: 9 } }],
    [
      'If',
      {
        inputs: ['flag'],
        outputs: ['y'],
        attributes: {
          then_branch: branch('LeakyRelu', { alpha: reference('slope', 1) }),
          else_branch: branch('Elu', { alpha: reference('absent', 1) }),
        },
      },
    ],
  ],
};

const calls: GraphDraft = {
  inputs: { x: ['n', 3] },
  weights: { w: { shape: [3, 3] }, b: { shape: [3] } },
  functions: { Layer: layer, Activation: activation },
  nodes: [
    [
      'Layer',
      {
        name: 'first',
        domain: 'local',
        inputs: ['x', 'w', 'b'],
        outputs: ['a', 'b0'],
        attributes: { axis: 0 },
      },
    ],
    [
      'Layer',
      {
        ...{ name: 'second', domain: 'local', inputs: ['a', 'w', 'b'], outputs: ['c', 'copy'] },
        attributes: { slope: float(0), axis: 1 },
      },
    ],
    ['Add', { inputs: ['c', 'copy'], outputs: ['y'] }],
  ],
  outputs: ['y'],
};

describe('local functions', () => {
  test('give the outputs of ONNX Runtime, and have gradients', async () => {
    const network = await networkOf(calls);
    const x = randomTensor([2, 3], 1);
    await expectLikeRuntime(network, onnxFile(calls), [x]);
    expectGradients(network, [x]);
    await network.checkGradients?.([x], ['y']);
    network.dispose();
  });

  test('have names of values that start with those of the calls, and share tensors', async () => {
    const nodes = calls.nodes.map(([op, draft]) => [op, { ...draft, name: 'first' }] as const);
    const { graph, opsets } = await read({ ...calls, nodes });
    expect(graph.nodes.map(({ name, outputs }) => [name, ...outputs])).toEqual([
      ['first/#1', 'first/product'],
      ['first/#2', 'b0'],
      ['first/act/#0', 'first/act/alpha'],
      ['first/act/#1', 'first/act/flag'],
      ['first/act/#2', 'first/active'],
      ['first/#4', 'first/sum'],
      ['first/#5', 'a'],
      ['first/#1', 'first/product~2'],
      ['first/#2', 'copy'],
      ['first/act/#0', 'first/act/alpha~2'],
      ['first/act/#1', 'first/act/flag~2'],
      ['first/act/#2', 'first/active~2'],
      ['first/#4', 'first/sum~2'],
      ['first/#5', 'c'],
      ['first', 'y'],
    ]);
    expect(['first/scale', 'first/scale~2'].map((name) => graph.constants.get(name)?.stored)).toEqual(
      Array(2).fill('local:Layer/scale'),
    );
    expect(Object.fromEntries(opsets)).toEqual({ '': 17, local: 1, inner: 1, 'com.microsoft': 1 });
    const network = await networkOf(calls);
    expect(network.weights.map(({ name }) => name)).toEqual(['w', 'b', 'local:Layer/scale']);
    expect(network.describe('second/product')).toBeDefined();
    network.dispose();
  });

  test('take tensors as attributes, which are constants of the graph', async () => {
    const scaled: FunctionDraft = {
      ...{ domain: 'local', inputs: ['x'], outputs: ['y'], attributes: ['scale'] },
      defaults: { scale: tensor([3], 2) },
      nodes: [
        ['Constant', { inputs: [], outputs: ['s'], attributes: { value: reference('scale', 4) } }],
        ['Mul', { inputs: ['x', 's'], outputs: ['y'] }],
      ],
    };
    const draft: GraphDraft = {
      ...{ inputs: { x: ['n', 3] }, outputs: ['y'], functions: { Scaled: scaled } },
      nodes: [
        ['Scaled', { domain: 'local', inputs: ['x'], outputs: ['h'] }],
        ['Scaled', { domain: 'local', inputs: ['h'], outputs: ['y'], attributes: { scale: tensor([3], 4) } }],
      ],
    };
    const network = await networkOf(draft);
    expect(network.weights.map(({ name }) => name)).toEqual(['y@scale', 'local:Scaled/@scale']);
    const x = randomTensor([2, 3], 1);
    await expectLikeRuntime(network, onnxFile(draft), [x]);
    expectGradients(network, [x]);
    network.dispose();
  });

  test('are called in branches', async () => {
    const twice: FunctionDraft = {
      ...{ domain: 'local', inputs: ['v'], outputs: ['r'] },
      nodes: [['Add', { inputs: ['v', 'v'], outputs: ['r'] }]],
    };
    const calling = (input: string): Uint8Array =>
      concat(
        node('Double', { name: 'call', domain: 'local', inputs: [input], outputs: ['chosen'] }),
        field(2, input),
        field(12, field(1, 'chosen')),
      );
    const draft: GraphDraft = {
      inputs: { x: ['n', 3], flag: [] },
      types: { flag: 9 },
      weights: { w: { shape: [3] } },
      functions: { Double: twice },
      nodes: [
        ['Mul', { inputs: ['x', 'w'], outputs: ['h'] }],
        [
          'If',
          {
            inputs: ['flag'],
            outputs: ['y'],
            attributes: { then_branch: calling('x'), else_branch: calling('h') },
          },
        ],
      ],
      outputs: ['y'],
    };
    const network = await networkOf(draft);
    const x = randomTensor([2, 3], 1);
    for (const flag of [0, 1])
      await expectLikeRuntime(network, onnxFile(draft), [x, tf.scalar(flag, 'bool')]);
    expectGradients(network, [x, tf.scalar(false, 'bool')]);
    network.dispose();
  });

  test('have no inputs where a call leaves them out', async () => {
    const clip: FunctionDraft = {
      ...{ domain: 'local', inputs: ['x', 'least', 'most'], outputs: ['y'] },
      nodes: [['Clip', { inputs: ['x', 'least', 'most'], outputs: ['y'] }]],
    };
    const { graph } = await read({
      ...{ inputs: { x: [2] }, outputs: ['y'], functions: { Clip: clip } },
      nodes: [['Clip', { domain: 'local', inputs: ['x', ''], outputs: ['y'] }]],
    });
    expect(graph.nodes[0]?.inputs).toEqual(['x', '', '']);
  });

  test('give an input, and a value twice', async () => {
    const same: FunctionDraft = {
      ...{ domain: 'local', inputs: ['x'], outputs: ['x', 'y', 'y'] },
      nodes: [['Neg', { inputs: ['x'], outputs: ['y'] }]],
    };
    const { graph } = await read({
      ...{ inputs: { x: [2] }, outputs: ['a', 'b', 'c'], functions: { Same: same } },
      nodes: [['Same', { domain: 'local', inputs: ['x'], outputs: ['a', 'b', 'c'] }]],
    });
    expect(graph.nodes.map(({ op, inputs, outputs }) => [op, ...inputs, ...outputs])).toEqual([
      ['Neg', 'x', 'b'],
      ['Identity', 'x', 'a'],
      ['Identity', 'b', 'c'],
    ]);
  });

  test('are told apart by their overload, and stand for operators of their name', async () => {
    const by = (op: string, overload?: string): Uint8Array =>
      functionProto('Relu', {
        ...{ domain: 'ai.onnx', inputs: ['x'], outputs: ['y'], ...(overload && { overload }) },
        nodes: [[op, { inputs: ['x'], outputs: ['y'] }]],
      });
    const file = (...more: Uint8Array[]): Uint8Array =>
      concat(
        onnxFile({
          ...{ inputs: { x: [2] }, outputs: ['z'] },
          nodes: [
            ['Relu', { inputs: ['x'], outputs: ['y'], overload: 'b' }],
            ['Relu', { inputs: ['y'], outputs: ['z'] }],
          ],
        }),
        ...more,
      );
    const { graph } = await readFile(file(by('Sin', 'a'), by('Cos', 'b')));
    expect(graph.nodes.map(({ op }) => op)).toEqual(['Cos', 'Relu']);
    expect((await readFile(file(by('Neg'), by('Cos', 'b')))).graph.nodes.map(({ op }) => op)).toEqual([
      'Cos',
      'Neg',
    ]);
    expect(await codeOf(() => readFile(file(by('Sin', 'b'), by('Cos', 'b'))))).toBe('bad-model');
  });
});

describe('readOnnxModel() refuses functions', () => {
  const draftOf = (functions: Readonly<Record<string, Partial<FunctionDraft>>>): GraphDraft => ({
    ...{ inputs: { x: [2] }, outputs: ['y'] },
    functions: Object.fromEntries(
      Object.entries(functions).map(([name, draft]) => [
        name,
        { domain: 'local', inputs: ['x'], outputs: ['y'], nodes: [], ...draft },
      ]),
    ),
    nodes: [['F', { name: 'call', domain: 'local', inputs: ['x'], outputs: ['y'] }]],
  });
  const call = (name: string, inputs = ['x'], outputs = ['y']) =>
    [name, { domain: 'local', inputs, outputs }] as const;

  test('that call themselves, or each other', async () => {
    const error = await errorOf(() => read(draftOf({ F: { nodes: [call('F')] } })));
    expect(error).toMatchObject({
      code: 'bad-model',
      message: expect.stringContaining('"local:F" calls itself'),
    });
    const both = draftOf({ F: { nodes: [call('G')] }, G: { nodes: [call('F')] } });
    expect(await codeOf(() => read(both))).toBe('bad-model');
  });

  test('whose calls are nested too deep, or too many', async () => {
    const chain = (count: number, calls: number) =>
      Object.fromEntries(
        Array.from({ length: count }, (_, i) => {
          const twice = [call(`F${i + 1}`, ['x'], ['h']), call(`F${i + 1}`, ['h'], ['y'])];
          const inner = calls === 1 ? [call(`F${i + 1}`)] : twice;
          const last = [['Neg', { inputs: ['x'], outputs: ['y'] }]] as const;
          return [i === 0 ? 'F' : `F${i}`, { nodes: i + 1 < count ? inner : last }];
        }),
      );
    expect((await read(draftOf(chain(64, 1)))).graph.nodes).toHaveLength(1);
    expect(await codeOf(() => read(draftOf(chain(65, 1))))).toBe('bad-model');
    expect((await read(draftOf(chain(9, 2)))).graph.nodes).toHaveLength(256);
    const error = await errorOf(() => read(draftOf(chain(40, 2))));
    expect(error).toMatchObject({ code: 'bad-model', message: expect.stringContaining('inlined functions') });
  });

  test('whose calls, values or attributes do not fit', async () => {
    const neg = (inputs: string[], outputs: string[]) => ['Neg', { inputs, outputs }] as const;
    const refused: Readonly<Record<string, Partial<FunctionDraft>>> = {
      'too many inputs': { inputs: [], nodes: [neg(['z'], ['y'])] },
      'too many outputs': { outputs: [] },
      'no origin of its output': {},
      'an input from outside': { nodes: [neg(['call'], ['y'])] },
      'a value before its origin': { nodes: [neg(['h'], ['y']), neg(['x'], ['h'])] },
      'two origins of a value': { nodes: [neg(['x'], ['y']), neg(['x'], ['y'])] },
      'an input that is a value, too': { nodes: [neg(['x'], ['x']), neg(['x'], ['y'])] },
      'a default without a value': { defaults: { a: reference('b', 1) } },
    };
    const codes = Object.entries(refused).map(async ([name, draft]) => [
      name,
      await codeOf(() => read(draftOf({ F: draft }))),
    ]);
    expect(await Promise.all(codes)).toEqual(Object.keys(refused).map((name) => [name, 'bad-model']));
    const outside = draftOf({ F: { nodes: [neg(['x'], ['y'])] } });
    const nodes = [
      ['Elu', { inputs: ['x'], outputs: ['y'], attributes: { alpha: reference('a', 1) } }],
    ] as const;
    expect(await codeOf(() => read({ ...outside, nodes }))).toBe('bad-model');
  });

  test('for other versions of operators than the rest', async () => {
    const error = await errorOf(() => read(draftOf({ F: { opset: 18, nodes: [call('G')] } })));
    expect(error).toMatchObject({
      code: 'unsupported-model',
      message: expect.stringContaining(
        'function "local:F" has operators of domain "" in version 18, expected 17',
      ),
    });
  });
});
