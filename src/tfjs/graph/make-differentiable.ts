import * as tf from '@tensorflow/tfjs';
import { einsum } from '../einsum.js';
import { type GraphNode, internalsOf } from './graph-nodes.js';

/** A node as the file describes it. */
interface FileNode {
  readonly name: string;
  readonly op: string;
  readonly input?: readonly string[];
  readonly attr?: Readonly<Record<string, unknown>>;
}

/** Fused operations and what they consist of, besides adding a bias. */
const PLAIN: Readonly<Record<string, string>> = {
  _FusedConv2D: 'Conv2D',
  FusedDepthwiseConv2dNative: 'DepthwiseConv2dNative',
};

/** The operation that takes the place of `Einsum`. */
const EINSUM = 'NeuralDiffEinsum';

/**
 * Replaces operations that TensorFlow.js 4.22 cannot differentiate by others: `Einsum`, which the wasm
 * backend cannot run either, and dilated convolutions that are fused with a bias, without an activation.
 *
 * @returns the model, or another one that computes the same with the same variables
 */
export function makeDifferentiable(model: tf.GraphModel): tf.GraphModel {
  const { artifacts, executor } = internalsOf(model);
  const { nodes } = executor.graph;
  const topology = artifacts.modelTopology as { readonly node: readonly FileNode[] };
  const replaced = new Set(Object.keys(nodes).filter((name) => isObstacle(nodes[name] as GraphNode)));
  if (replaced.size === 0) return model;
  tf.registerOp(EINSUM, ({ inputs, attrs }) => einsum(String(attrs.equation), inputs));
  const node = topology.node.flatMap((each) => (replaced.has(each.name) ? replace(each) : [each]));
  const { modelInitializer: _, ...rest } = artifacts;
  const separate = {
    ...rest,
    modelTopology: { ...topology, node },
    weightSpecs: [],
    weightData: new ArrayBuffer(0),
  };
  const view = tf.loadGraphModelSync(separate) as unknown as tf.GraphModel;
  internalsOf(view).executor.weightMap = executor.weightMap;
  return view;
}

function isObstacle({ op, attrParams: { dilations, fusedOps } }: GraphNode): boolean {
  if (op === 'Einsum') return true;
  if (!(op in PLAIN)) return false;
  const isDilated = (dilations?.value as number[] | undefined)?.some((each) => each > 1);
  return isDilated === true && (fusedOps?.value as string[] | undefined)?.join() === 'biasadd';
}

function replace(node: FileNode): FileNode[] {
  const { name, op, input = [], attr } = node;
  if (op === 'Einsum') return [{ ...node, op: EINSUM }];
  const conv = `${name}/without-bias`;
  const [x, filter, bias] = input as [string, string, string];
  return [
    { name: conv, op: PLAIN[op] as string, input: [x, filter], attr: { ...attr } },
    { name, op: 'BiasAdd', input: [conv, bias], attr: {} },
  ];
}
