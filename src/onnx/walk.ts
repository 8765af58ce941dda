import type { Attribute, OnnxGraph, OnnxNode, OnnxPort } from './graph.js';

/** @returns whether an attribute is a graph */
export function isGraph(attribute: Attribute | undefined): attribute is OnnxGraph {
  return typeof attribute === 'object' && 'nodes' in attribute;
}

/** @returns the graphs in a node's attributes: branches, the body of a loop */
export function graphsOf({ attributes }: OnnxNode): OnnxGraph[] {
  return [...attributes.values()].filter(isGraph);
}

/** @returns an operator's name with its domain in front, if that is not the standard one */
export function operatorOf({ op, domain }: OnnxNode): string {
  return domain === '' ? op : `${domain}:${op}`;
}

/** @returns names of values that a node uses, those that its graphs use among them */
export function namesUsedBy(node: OnnxNode): string[] {
  const inner = graphsOf(node).flatMap(({ nodes, outputs }) => [
    ...nodes.flatMap(namesUsedBy),
    ...outputs.map(({ name }) => name),
  ]);
  return [...node.inputs, ...inner].filter((name) => name !== '');
}

/** @returns the nodes that some values of a graph need */
export function nodesFor(graph: OnnxGraph, names: readonly string[]): Set<OnnxNode> {
  const wanted = new Set(names);
  const needed = new Set<OnnxNode>();
  for (const node of [...graph.nodes].reverse()) {
    if (!node.outputs.some((name) => wanted.has(name))) continue;
    needed.add(node);
    for (const name of namesUsedBy(node)) wanted.add(name);
  }
  return needed;
}

/** Calls a function for some nodes and all nodes of their graphs. */
export function visitNodes(nodes: Iterable<OnnxNode>, visit: (node: OnnxNode) => void): void {
  for (const node of nodes) {
    visit(node);
    for (const graph of graphsOf(node)) visitNodes(graph.nodes, visit);
  }
}

/**
 * @param names some values of a graph; others are left out
 * @returns the graph with these as its outputs, and with the nodes that they need
 */
export function partFor(graph: OnnxGraph, names: readonly string[]): OnnxGraph {
  const needed = nodesFor(graph, names);
  const ports = new Map(graph.outputs.map((port) => [port.name, port]));
  const known = new Set([
    ...graph.inputs.map(({ name }) => name),
    ...graph.nodes.flatMap(({ outputs }) => outputs),
  ]);
  const outputs = names
    .filter((name) => known.has(name) || ports.has(name))
    .map((name): OnnxPort => ports.get(name) ?? { name, type: undefined, shape: undefined });
  return { ...graph, nodes: graph.nodes.filter((node) => needed.has(node)), outputs };
}
