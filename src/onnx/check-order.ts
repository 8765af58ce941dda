import { invalidOnnx } from '../containers/onnx-tensor.js';
import type { OnnxGraph, OnnxNode } from './graph.js';

/**
 * Checks that each value has one origin, and that nodes come after those whose values they use.
 *
 * @param graph the graph; those in its nodes are checked, too
 * @throws NeuralDiffError `bad-model`
 */
export function checkOrder(graph: OnnxGraph): void {
  checkGraph(graph, () => false);
}

function checkGraph(graph: OnnxGraph, isOutside: (name: string) => boolean): void {
  const known = new Set(graph.constants.keys());
  const add = (name: string): void => {
    if (known.has(name)) throw invalidOnnx(`two values have the name "${name}"`);
    known.add(name);
  };
  const isKnown = (name: string): boolean => known.has(name) || isOutside(name);
  for (const { name } of graph.inputs) add(name);
  for (const node of graph.nodes) {
    for (const name of node.inputs) if (name !== '' && !isKnown(name)) throw unknown(name, node);
    for (const inner of graphsOf(node)) checkGraph(inner, isKnown);
    for (const name of node.outputs) if (name !== '') add(name);
  }
  for (const { name } of graph.outputs) {
    if (!isKnown(name)) throw invalidOnnx(`its output "${name}" is no value of the graph`);
  }
}

/** @returns the graphs in a node's attributes: its branches, or the body of a loop */
function graphsOf({ attributes }: OnnxNode): OnnxGraph[] {
  return [...attributes.values()].filter(
    (value): value is OnnxGraph => typeof value === 'object' && 'nodes' in value,
  );
}

function unknown(name: string, node: OnnxNode): Error {
  return invalidOnnx(
    `node "${node.name}" (${node.op}) uses "${name}": expected a constant, an input or a value of a node before it`,
  );
}
