import type { OnnxConstant, OnnxGraph, OnnxNode } from './graph.js';
import { graphsOf, nodesFor, operatorOf } from './walk.js';

/** Operators through which no gradient goes. */
const STEPS = new Set([
  ...['And', 'ArgMax', 'ArgMin', 'BitShift', 'BitwiseAnd', 'BitwiseNot', 'BitwiseOr', 'BitwiseXor'],
  ...['Ceil', 'Compress', 'ConstantOfShape', 'ConvInteger', 'DynamicQuantizeLinear', 'Equal', 'EyeLike'],
  ...['Floor', 'Greater', 'GreaterOrEqual', 'Hardmax', 'IsInf', 'IsNaN', 'Less', 'LessOrEqual'],
  ...['MatMulInteger', 'NonMaxSuppression', 'NonZero', 'Not', 'Or', 'QLinearConv', 'QLinearMatMul'],
  ...['QuantizeLinear', 'Range', 'Round', 'Shape', 'Sign', 'Size', 'Unique', 'Xor'],
]);

/** Inputs that are no weights: shapes, limits, statistics, scales of quantisation, first states. */
const FIXED_INPUTS: Readonly<Record<string, readonly number[]>> = {
  BatchNormalization: [3, 4],
  Clip: [1, 2],
  CumSum: [1],
  DequantizeLinear: [1, 2],
  Dropout: [1, 2],
  Expand: [1],
  GRU: [4, 5],
  Gather: [1],
  GatherElements: [1],
  GatherND: [1],
  LSTM: [4, 5, 6],
  OneHot: [0, 1, 2],
  Pad: [1, 2, 3],
  Pow: [1],
  RNN: [4, 5],
  Reshape: [1],
  Resize: [1, 2, 3],
  ScatterElements: [1],
  ScatterND: [1],
  Slice: [1, 2, 3, 4],
  Tile: [1],
  TopK: [1],
  Upsample: [1],
  Where: [0],
};

/** Inputs that are weights by the operator's definition, even if they have one element. */
const WEIGHT_INPUTS: Readonly<Record<string, readonly number[]>> = {
  BatchNormalization: [1, 2],
  Conv: [1, 2],
  ConvTranspose: [1, 2],
  Gemm: [1, 2],
  GroupNormalization: [1, 2],
  InstanceNormalization: [1, 2],
  LayerNormalization: [1, 2],
  MatMul: [0, 1],
  PRelu: [1],
  GRU: [1, 2, 3],
  LSTM: [1, 2, 3],
  RNN: [1, 2, 3],
};

/** Numbers of `TensorProto.DataType` that are floats. */
const FLOATS = [1, 10, 11, 16];

/** A constant that a gradient reaches. */
export interface Reached {
  readonly constant: OnnxConstant;
  /** Whether an operator defines one of its inputs, which the constant is, as a weight. */
  isWeight: boolean;
}

/** A graph, and the one around it. */
interface Level {
  readonly graph: OnnxGraph;
  readonly outer: Level | undefined;
  /** Names of the products of matrices in the graph. */
  readonly products: ReadonlySet<string | undefined>;
}

function levelOf(graph: OnnxGraph, outer?: Level): Level {
  const products = graph.nodes.filter(({ op }) => op === 'MatMul').map(({ outputs }) => outputs[0]);
  return { graph, outer, products: new Set(products) };
}

/**
 * Finds the constants of a graph that a gradient with respect to its outputs reaches: not through
 * comparisons, rounding and integers, nor to shapes, limits, exponents and the statistics of batch norms.
 *
 * @returns constants by their name in the store
 */
export function reachedConstants(graph: OnnxGraph): Map<string, Reached> {
  const found = new Map<string, Reached>();
  reach(levelOf(graph), new Set(graph.outputs.map(({ name }) => name)), found);
  return found;
}

/**
 * Finds the constants that a graph only looks up rows of, as embedding layers do.
 *
 * @returns their names in the store
 */
export function lookedUpConstants(graph: OnnxGraph): Set<string> {
  const found = new Set<string>();
  const others = new Set<string>();
  for (const node of graph.nodes) {
    const isLookUp = operatorOf(node) === 'Gather' && (node.attributes.get('axis') ?? 0) === 0;
    node.inputs.forEach((name, i) => {
      const constant = graph.constants.get(name);
      if (constant) (isLookUp && i === 0 ? found : others).add(constant.stored);
    });
  }
  for (const name of others) found.delete(name);
  return found;
}

function reach(level: Level, reached: Set<string>, found: Map<string, Reached>): void {
  const { graph } = level;
  for (const node of nodesFor(graph, [...reached])) {
    if (!node.outputs.some((name) => reached.has(name)) || isStep(node)) continue;
    for (const inner of graphsOf(node)) {
      // Names are unique in a model, so those of the outer graph can be among them.
      for (const { name } of inner.outputs) reached.add(name);
      reach(levelOf(inner, level), reached, found);
    }
    const fixed = FIXED_INPUTS[operatorOf(node)] ?? [];
    node.inputs.forEach((name, i) => {
      if (name !== '' && !fixed.includes(i)) reached.add(name);
    });
    noteWeights(node, level, found);
  }
  for (const name of reached) {
    const constant = graph.constants.get(name);
    if (constant && !found.has(constant.stored)) found.set(constant.stored, { constant, isWeight: false });
  }
}

function noteWeights(node: OnnxNode, level: Level, found: Map<string, Reached>): void {
  for (const i of WEIGHT_INPUTS[operatorOf(node)] ?? []) {
    const constant = constantOf(node.inputs[i] ?? '', level);
    if (constant) found.set(constant.stored, { constant, isWeight: true });
  }
  if (operatorOf(node) !== 'Add') return;
  for (const [bias, other] of [node.inputs, [...node.inputs].reverse()] as [string, string][]) {
    const constant = constantOf(bias, level);
    if (constant?.shape.join() === '1' && level.products.has(other))
      found.set(constant.stored, { constant, isWeight: true });
  }
}

function constantOf(name: string, level: Level | undefined): OnnxConstant | undefined {
  return level && (level.graph.constants.get(name) ?? constantOf(name, level.outer));
}

function isStep(node: OnnxNode): boolean {
  if (node.domain !== '') return false;
  const type = node.attributes.get('to');
  return STEPS.has(node.op) || (node.op === 'Cast' && !FLOATS.includes(type as number));
}
