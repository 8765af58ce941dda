import type { ValueFacts } from '../train/network.js';
import { numberOf } from './attributes.js';
import type { OnnxGraph, OnnxNode } from './graph.js';

/** Operators that keep an activation's meaning. */
const PASSING = new Set(['Cast', 'Dropout', 'Flatten', 'Identity', 'Reshape', 'Squeeze', 'Unsqueeze']);

/** @returns what is known of the inputs of a graph and of the values of its nodes, by name */
export function describeValues(graph: OnnxGraph): Map<string, ValueFacts> {
  const shapes = new Map([...graph.inputs, ...graph.outputs].map(({ name, shape }) => [name, shape]));
  const facts = new Map<string, ValueFacts>(graph.inputs.map(({ name, shape }) => [name, { shape }]));
  for (const node of graph.nodes) {
    const [input = ''] = node.inputs;
    for (const name of node.outputs.filter((each) => each !== '')) {
      const shape = shapes.get(name)?.map((size, axis) => (axis === 0 ? null : size));
      const activation = PASSING.has(node.op) ? facts.get(input)?.activation : activationOf(node, shape);
      facts.set(name, { shape, activation });
    }
  }
  return facts;
}

function activationOf(node: OnnxNode, shape: ValueFacts['shape']): string | undefined {
  if (node.domain !== '') return undefined;
  if (node.op !== 'Softmax') return node.op === 'Sigmoid' ? 'sigmoid' : undefined;
  // Probabilities are along the last dimension; most outputs have two.
  const axis = numberOf(node, 'axis', -1);
  return axis === -1 || axis === (shape?.length ?? 2) - 1 ? 'softmax' : undefined;
}
