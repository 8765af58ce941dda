import type * as tf from '@tensorflow/tfjs';
import { ancestorsOf, type GraphNode } from './graph-nodes.js';
import {
  differentiableInputs,
  isAsynchronous,
  isForm,
  isLookUp,
  isMixing,
  layerInputs,
} from './operations.js';

/** What a gradient of some outputs reaches in a graph. */
export interface GradientPaths {
  /** Names of the weights to train. */
  readonly trained: ReadonlySet<string>;
  /** Those of them whose rows are only looked up, as by embedding layers. */
  readonly embeddings: ReadonlySet<string>;
  /** Nodes without a gradient between these weights and the outputs, and nodes that cannot run. */
  readonly obstacles: readonly GraphNode[];
  /** Outputs that no such weight reaches. */
  readonly unreached: readonly GraphNode[];
}

type Layouts = ReadonlyMap<string, Pick<tf.Tensor, 'dtype' | 'shape' | 'size'>>;

/**
 * Finds the weights of a graph that gradients of outputs reach.
 *
 * Weights are float32 constants that a layer uses: filters, matrices, biases, scales, slopes, embeddings.
 * Numbers and moving statistics are not, nor what is added to or multiplied with inputs of the model, nor
 * tables after the last layer, such as anchors.
 *
 * @param outputs the nodes whose results are differentiated
 * @param layouts the graph's constants
 */
export function traceGradients(outputs: readonly GraphNode[], layouts: Layouts): GradientPaths {
  const nodes = ancestorsOf(outputs);
  const constants = findConstants(nodes);
  const live = nodes.filter((node) => !constants.has(node));
  const reached = findReached(nodes, outputs);
  const behind = findBehindLayers(live, constants);
  const before = findBeforeLayers(live, constants);
  const isWeight = (leaf: string, user: GraphNode): boolean => {
    const layout = layouts.get(leaf);
    if (layout?.dtype !== 'float32' || layout.shape.length === 0) return false;
    if (!isMixing(user)) return true;
    const isVector = layout.shape.filter((size) => size > 1).length === 1;
    return behind.has(user) && (isVector || before.has(user));
  };
  const trained = new Set<string>();
  const others = new Set<string>();
  const carriers = new Set<GraphNode>();
  for (const node of live.filter((each) => reached.has(each))) {
    const positions = isMixing(node) ? node.inputs.keys() : layerInputs(node);
    const leaves = [...positions].flatMap((i) => leavesOf(node.inputs[i], constants));
    const weights = leaves.filter((leaf) => isWeight(leaf, node));
    for (const weight of weights) {
      trained.add(weight);
      if (!isLookUp(node)) others.add(weight);
    }
    const inputs = differentiableInputs(node)?.map((i) => node.inputs.at(i)) ?? node.inputs;
    if (weights.length > 0 || inputs.some((input) => carriers.has(input as GraphNode))) carriers.add(node);
  }
  const obstacles = nodes.filter(
    (node) => isAsynchronous(node) || (carriers.has(node) && differentiableInputs(node) === undefined),
  );
  const embeddings = new Set([...trained].filter((weight) => !others.has(weight)));
  return { trained, embeddings, obstacles, unreached: outputs.filter((node) => !carriers.has(node)) };
}

/** @returns nodes that do not depend on the model's inputs */
function findConstants(nodes: readonly GraphNode[]): Set<GraphNode> {
  const constants = new Set<GraphNode>();
  for (const node of nodes) {
    const { op, inputs } = node;
    const isFixed = inputs.length > 0 && inputs.every((input) => constants.has(input));
    if (op === 'Const' || isFixed) constants.add(node);
  }
  return constants;
}

/** @returns nodes that gradients of the outputs reach */
function findReached(nodes: readonly GraphNode[], outputs: readonly GraphNode[]): Set<GraphNode> {
  const reached = new Set(outputs);
  for (const node of [...nodes].reverse()) {
    if (!reached.has(node)) continue;
    const inputs = differentiableInputs(node)?.map((i) => node.inputs.at(i)) ?? node.inputs;
    for (const input of inputs) if (input) reached.add(input);
  }
  return reached;
}

function isLayer(node: GraphNode, constants: ReadonlySet<GraphNode>): boolean {
  return layerInputs(node).some((i) => constants.has(node.inputs[i] as GraphNode));
}

/** @returns nodes that get values from a layer */
function findBehindLayers(live: readonly GraphNode[], constants: ReadonlySet<GraphNode>): Set<GraphNode> {
  const behind = new Set<GraphNode>();
  const isSource = (node: GraphNode) => behind.has(node) || isLayer(node, constants);
  for (const node of live) if (node.inputs.some(isSource)) behind.add(node);
  return behind;
}

/** @returns nodes whose values a layer gets */
function findBeforeLayers(live: readonly GraphNode[], constants: ReadonlySet<GraphNode>): Set<GraphNode> {
  const before = new Set<GraphNode>();
  for (const node of [...live].reverse()) {
    if (before.has(node) || isLayer(node, constants)) for (const input of node.inputs) before.add(input);
  }
  return before;
}

/** @returns names of the constants that a constant node brings into another form */
function leavesOf(node: GraphNode | undefined, constants: ReadonlySet<GraphNode>): string[] {
  if (node === undefined || !constants.has(node)) return [];
  if (node.op === 'Const') return [node.name];
  return isForm(node) ? leavesOf(node.inputs[0], constants) : [];
}
