import { beforeAll, describe, expect, test } from 'vitest';
import { useBackend } from '../../src/tfjs/backend.js';
import type { NodeDraft } from '../containers/write-onnx.js';
import { expectGradients, expectLikeRuntime } from './compare.js';
import { type GraphDraft, networkOf, onnxFile, randomTensor } from './graphs.js';

/** Whole numbers that are constants of the graph, or a truth value for each element. */
interface Fixed {
  readonly ints: readonly number[];
  /** One dimension by default. */
  readonly shape?: readonly number[];
}

/** An operator on weights and whole numbers; the first weight has an input of its shape added to it. */
interface Case {
  readonly op?: string;
  readonly domain?: string;
  /** Shapes of weights, or numbers; null for inputs left out. */
  readonly inputs: readonly (readonly number[] | Fixed | null)[];
  readonly attributes?: NodeDraft['attributes'];
  /** Number of outputs, and of those after them that are no floats. */
  readonly outputs?: number;
  readonly unused?: number;
  /** Inputs that are shown as outputs, too, so that they are trained: first states otherwise are not. */
  readonly shown?: readonly number[];
  readonly opset?: number;
  readonly step?: number;
}

const ints = (...numbers: number[]): Fixed => ({ ints: numbers });
const float = (value: number) => ({ float: value });
const image = [2, 4, 5, 6];
const isFixed = (input: Case['inputs'][number]): input is Fixed => input !== null && 'ints' in input;

function draftOf(
  op: string,
  { inputs, attributes = {}, outputs = 1, unused = 0, shown = [], opset = 20, domain }: Case,
): GraphDraft {
  const [first] = inputs as [readonly number[]];
  const weights = inputs.map((input, i) => {
    if (input === null) return [];
    const draft = isFixed(input)
      ? { shape: input.shape ?? [input.ints.length], values: input.ints, dtype: 'int64' as const }
      : { shape: input };
    return [[`w${i}`, draft] as const];
  });
  const names = inputs.map((input, i) => (input === null ? '' : i === 0 ? 'start' : `w${i}`));
  const results = Array.from({ length: outputs + unused }, (_, i) => `y${i}`);
  return {
    inputs: { x: first },
    weights: Object.fromEntries(weights.flat()),
    nodes: [
      ['Add', { inputs: ['w0', 'x'], outputs: ['start'] }],
      [op, { inputs: names, outputs: results, attributes, ...(domain ? { domain } : {}) }],
      ...shown.map((i) => ['Neg', { inputs: [`w${i}`], outputs: [`z${i}`] }] as const),
    ],
    outputs: [...results.slice(0, outputs), ...shown.map((i) => `z${i}`)],
    opset,
  };
}

/** Inputs of a recurrent layer: 4 steps, 2 sequences, 3 inputs, 5 units. */
const recurrent = (gates: number, directions = 1, ...more: Case['inputs']): Case['inputs'] => [
  [4, 2, 3],
  [directions, gates * 5, 3],
  [directions, gates * 5, 5],
  [directions, 2 * gates * 5],
  null,
  [directions, 2, 5],
  ...more,
];
const units = { hidden_size: 5 };

const CASES: Readonly<Record<string, Case>> = {
  Reshape: { inputs: [[2, 6], ints(0, 3, -1)] },
  Flatten: { inputs: [[2, 3, 4]], attributes: { axis: 2 } },
  Squeeze: { inputs: [[1, 3, 1, 2], ints(0, -2)] },
  'Squeeze all': { op: 'Squeeze', inputs: [[1, 3, 1, 2]] },
  Unsqueeze: { inputs: [[3, 2], ints(0, -1)] },
  'Unsqueeze by an attribute': { op: 'Unsqueeze', opset: 11, inputs: [[3, 2]], attributes: { axes: [1] } },
  Expand: { inputs: [[3, 1], ints(2, 1, 4)] },
  Tile: { inputs: [[2, 3], ints(2, 3)] },
  DepthToSpace: { inputs: [[2, 8, 2, 3]], attributes: { blocksize: 2 } },
  'DepthToSpace by columns': {
    op: 'DepthToSpace',
    inputs: [[2, 8, 2, 3]],
    attributes: { blocksize: 2, mode: 'CRD' },
  },
  SpaceToDepth: { inputs: [[2, 3, 4, 6]], attributes: { blocksize: 2 } },
  Slice: { inputs: [image, ints(1, -4), ints(9, 5), ints(1, 3)] },
  'Slice backwards': { op: 'Slice', inputs: [[5, 6], ints(-1, 4), ints(-99, 0), ints(0, 1), ints(-1, -3)] },
  'Slice with steps': { op: 'Slice', inputs: [image, ints(0, 1), ints(4, 6), ints(1, 3), ints(2, 3)] },
  'Slice by attributes': {
    op: 'Slice',
    opset: 9,
    inputs: [[4, 5]],
    attributes: { starts: [1], ends: [-1], axes: [1] },
  },
  Split: { inputs: [[7, 2], ints(2, 5)], attributes: { axis: 0 }, outputs: 2 },
  'Split into unequal parts': {
    op: 'Split',
    inputs: [[2, 7]],
    attributes: { axis: 1, num_outputs: 3 },
    outputs: 3,
  },
  'Split by an attribute': {
    op: 'Split',
    opset: 11,
    inputs: [[2, 7]],
    attributes: { axis: -1, split: [3, 4] },
    outputs: 2,
  },
  Pad: { inputs: [image, ints(0, 1, 2, 0, 0, 0, 1, 3)] },
  'Pad by less than none': { op: 'Pad', inputs: [image, ints(0, 0, -1, 1, 0, 0, 2, -2)] },
  'Pad, reflect': {
    op: 'Pad',
    inputs: [image, ints(0, 0, 2, 3, 0, 0, 4, 1)],
    attributes: { mode: 'reflect' },
  },
  'Pad, edge': { op: 'Pad', inputs: [image, ints(0, 0, 2, 3, 1, 0, 4, 1)], attributes: { mode: 'edge' } },
  'Pad, wrap': { op: 'Pad', inputs: [[3, 4], ints(2, 3, 1, 4)], attributes: { mode: 'wrap' } },
  'Pad of some axes': { op: 'Pad', inputs: [image, ints(1, 2), null, ints(-1)] },
  'Pad by an attribute': {
    op: 'Pad',
    opset: 10,
    inputs: [[2, 3]],
    attributes: { pads: [1, 0, 0, 2], value: float(3) },
  },
  Gather: { inputs: [[7, 3], { ints: [1, 1, -1, 0], shape: [2, 2] }] },
  'Gather columns': { op: 'Gather', inputs: [[2, 5, 3], ints(3, -5, 3)], attributes: { axis: 1 } },
  'Gather one': { op: 'Gather', inputs: [[2, 5], { ints: [-2], shape: [] }], attributes: { axis: -1 } },
  GatherElements: {
    inputs: [[3, 4], { ints: [0, -1, 2, 2, 1, 0], shape: [2, 3] }],
    attributes: { axis: 1 },
  },
  GatherND: { inputs: [[3, 4, 2], { ints: [0, 1, -1, 3, 0, 1], shape: [3, 2] }] },
  'GatherND of batches': {
    op: 'GatherND',
    inputs: [[2, 3, 4], { ints: [2, 0, 1, -1], shape: [2, 2, 1] }],
    attributes: { batch_dims: 1 },
  },
  ScatterElements: {
    inputs: [[3, 4], { ints: [0, 3, 2, 1], shape: [2, 2] }, [2, 2]],
    attributes: { axis: 1 },
  },
  'ScatterElements, sums': {
    op: 'ScatterElements',
    inputs: [[3, 4], { ints: [0, 0, -1, 1], shape: [2, 2] }, [2, 2]],
    attributes: { axis: 1, reduction: 'add' },
  },
  ScatterND: { inputs: [[4, 3], { ints: [2, -4], shape: [2, 1] }, [2, 3]] },
  'ScatterND, sums': {
    op: 'ScatterND',
    inputs: [[4, 3], { ints: [2, 2], shape: [2, 1] }, [2, 3]],
    attributes: { reduction: 'add' },
  },
  'ScatterND, products': {
    op: 'ScatterND',
    inputs: [[4, 3], { ints: [2, 1], shape: [2, 1] }, [2, 3]],
    attributes: { reduction: 'mul' },
  },
  'ScatterND, maxima': {
    op: 'ScatterND',
    inputs: [[4, 3], { ints: [2, 1], shape: [2, 1] }, [2, 3]],
    attributes: { reduction: 'max' },
    step: 1e-3,
  },
  ReduceSum: { inputs: [[2, 3, 4], ints(0, -1)] },
  'ReduceSum of all': { op: 'ReduceSum', inputs: [[2, 3]], attributes: { keepdims: 0 } },
  'ReduceSum of none': { op: 'ReduceSum', inputs: [[2, 3]], attributes: { noop_with_empty_axes: 1 } },
  ReduceMean: { inputs: [[2, 3, 4], ints(1)], attributes: { keepdims: 0 } },
  'ReduceMean by an attribute': {
    op: 'ReduceMean',
    opset: 13,
    inputs: [[2, 3, 4]],
    attributes: { axes: [-1] },
  },
  ReduceMax: { inputs: [[2, 3, 4], ints(0, 2)], attributes: { keepdims: 0 }, step: 1e-3 },
  ReduceMin: { inputs: [[2, 3, 4], ints(1)], step: 1e-3 },
  ReduceProd: { inputs: [[2, 3, 4], ints(1)] },
  ReduceL1: { inputs: [[2, 3, 4], ints(2)], step: 1e-3 },
  ReduceL2: { inputs: [[2, 3, 4], ints(2)] },
  ReduceSumSquare: { inputs: [[2, 3, 4], ints(0)] },
  ReduceLogSumExp: { inputs: [[2, 3, 4], ints(0, 1)] },
  TopK: { inputs: [[3, 6], ints(2)], unused: 1, step: 1e-3 },
  'TopK, smallest rows': {
    op: 'TopK',
    inputs: [[5, 3], ints(2)],
    attributes: { axis: 0, largest: 0 },
    unused: 1,
    step: 1e-3,
  },
  CumSum: { inputs: [[3, 4], ints(1)] },
  'CumSum of columns': {
    op: 'CumSum',
    inputs: [[3, 4, 2], ints(0)],
    attributes: { reverse: 1, exclusive: 1 },
  },
  Trilu: { inputs: [[2, 4, 5], { ints: [1], shape: [] }] },
  'Trilu, lower': { op: 'Trilu', inputs: [[4, 5]], attributes: { upper: 0 } },
  ReverseSequence: { inputs: [[4, 3, 2], ints(1, 4, 2)] },
  'Resize to sizes': { op: 'Resize', inputs: [image, null, null, ints(2, 4, 9, 4)] },
  'Resize, linear': {
    op: 'Resize',
    inputs: [image, null, null, ints(2, 4, 9, 4)],
    attributes: { mode: 'linear' },
  },
  'Resize, linear, corners': {
    op: 'Resize',
    inputs: [image, null, null, ints(2, 4, 9, 4)],
    attributes: { mode: 'linear', coordinate_transformation_mode: 'align_corners' },
  },
  'Resize, linear, as PyTorch': {
    op: 'Resize',
    inputs: [image, null, null, ints(2, 4, 10, 1)],
    attributes: { mode: 'linear', coordinate_transformation_mode: 'pytorch_half_pixel' },
  },
  'Resize, nearest, asymmetric': {
    op: 'Resize',
    inputs: [image, null, null, ints(2, 4, 10, 18)],
    attributes: { coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' },
  },
  'Resize, cubic': {
    op: 'Resize',
    inputs: [image, null, null, ints(2, 4, 8, 9)],
    attributes: { mode: 'cubic' },
  },
  'Einsum of batches': {
    op: 'Einsum',
    inputs: [
      [2, 3, 4],
      [2, 4, 5],
    ],
    attributes: { equation: 'bij,bjk->bik' },
  },
  'Einsum of heads': {
    op: 'Einsum',
    inputs: [
      [2, 3, 4, 5],
      [2, 6, 4, 5],
    ],
    attributes: { equation: 'bqhd,bkhd->bhqk' },
  },
  'Einsum of three': {
    op: 'Einsum',
    inputs: [
      [3, 4],
      [4, 5],
      [5, 2],
    ],
    attributes: { equation: 'ij,jk,kl->il' },
  },
  'Einsum without an output': {
    op: 'Einsum',
    inputs: [
      [3, 4],
      [4, 5],
    ],
    attributes: { equation: 'ab,bc' },
  },
  'Einsum, diagonal': { op: 'Einsum', inputs: [[3, 3]], attributes: { equation: 'ii->i' } },
  'Einsum with an ellipsis': {
    op: 'Einsum',
    inputs: [
      [2, 3, 4],
      [4, 5],
    ],
    attributes: { equation: '...i,ij->...j' },
  },
  FusedMatMul: {
    domain: 'com.microsoft',
    inputs: [
      [2, 4, 3],
      [2, 5, 4],
    ],
    attributes: { transA: 1, transB: 1, alpha: float(0.5) },
  },
  BiasGelu: { domain: 'com.microsoft', inputs: [[2, 5], [5]] },
  LSTM: { inputs: recurrent(4, 1, [1, 2, 5]), attributes: units, outputs: 3, shown: [5, 6] },
  'LSTM in both directions': {
    op: 'LSTM',
    inputs: recurrent(4, 2, [2, 2, 5]),
    attributes: { ...units, direction: 'bidirectional' },
    outputs: 3,
    shown: [5, 6],
  },
  'LSTM without states': { op: 'LSTM', inputs: recurrent(4).slice(0, 4), attributes: units },
  'LSTM without bias': { op: 'LSTM', inputs: recurrent(4).slice(0, 3), attributes: units },
  'LSTM with peepholes': {
    op: 'LSTM',
    inputs: recurrent(4, 1, [1, 2, 5], [1, 15]),
    attributes: units,
    outputs: 3,
  },
  'LSTM that couples its gates': {
    op: 'LSTM',
    inputs: recurrent(4),
    attributes: { ...units, input_forget: 1 },
  },
  'LSTM with other activations': {
    op: 'LSTM',
    inputs: recurrent(4),
    attributes: { ...units, activations: { texts: ['HardSigmoid', 'Tanh', 'Softsign'] } },
  },
  GRU: { inputs: recurrent(3), attributes: units, outputs: 2, shown: [5] },
  'GRU that resets the product': {
    op: 'GRU',
    inputs: recurrent(3),
    attributes: { ...units, linear_before_reset: 1 },
    outputs: 2,
    shown: [5],
  },
  'GRU in both directions': {
    op: 'GRU',
    inputs: recurrent(3, 2),
    attributes: { ...units, linear_before_reset: 1, direction: 'bidirectional' },
    outputs: 2,
  },
  'GRU backwards without bias': {
    op: 'GRU',
    inputs: recurrent(3).slice(0, 3),
    attributes: { ...units, linear_before_reset: 1, direction: 'reverse' },
  },
  'GRU with a clip': {
    op: 'GRU',
    inputs: recurrent(3),
    attributes: { ...units, clip: float(0.5) },
    step: 1e-3,
  },
  RNN: { inputs: recurrent(1), attributes: units, outputs: 2 },
  'RNN with another activation': {
    op: 'RNN',
    inputs: recurrent(1),
    attributes: { ...units, activations: { texts: ['Relu'] } },
    step: 1e-3,
  },
};

describe.each(['wasm', 'cpu'] as const)('on %s', (backend) => {
  beforeAll(() => useBackend(backend));

  test.each(Object.entries(CASES))(
    '%s computes what ONNX Runtime does, and has gradients',
    async (name, each) => {
      const draft = draftOf(each.op ?? name, each);
      const network = await networkOf(draft);
      const x = randomTensor(each.inputs[0] as readonly number[], 99);
      if (backend === 'wasm') await expectLikeRuntime(network, onnxFile(draft), [x]);
      expectGradients(network, [x], each.step);
      expect(network.weights.length).toBeGreaterThan(0);
      network.dispose();
      x.dispose();
    },
  );
});
