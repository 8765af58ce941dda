import type * as tf from '@tensorflow/tfjs';

/** A node of a GraphModel, as the executor of TensorFlow.js 4.22 holds it. */
export interface GraphNode {
  readonly name: string;
  readonly op: string;
  /** Kind of operation, such as `control`; undefined for those that TensorFlow.js does not know. */
  readonly category?: string | undefined;
  /** Sources by position, with `:1` for a second result. */
  readonly inputNames: readonly string[];
  readonly inputs: readonly GraphNode[];
  readonly attrParams: Readonly<Record<string, { readonly value?: unknown }>>;
  /** Attributes as in the file. */
  readonly rawAttrs?: Readonly<Record<string, RawAttribute>>;
}

type RawAttribute = {
  readonly shape?: RawShape;
  readonly list?: { readonly shape?: readonly RawShape[]; readonly s?: readonly string[] };
};

interface RawShape {
  readonly unknownRank?: boolean;
  readonly dim?: readonly { readonly size?: string | number }[];
}

/** The parts of a GraphModel that TensorFlow.js does not make public, as of version 4.22. */
interface Internals {
  readonly executor: Executor;
  readonly initializer?: Executor;
  readonly artifacts: tf.io.ModelArtifacts;
}

interface Executor {
  /** Assigning it lists the tensors that the executor must not free. */
  weightMap: Record<string, tf.Tensor[]>;
  readonly graph: { readonly nodes: Readonly<Record<string, GraphNode>> };
}

export function internalsOf(model: tf.GraphModel): Internals {
  return model as unknown as Internals;
}

/** @returns whether a model is a GraphModel, of any copy of TensorFlow.js */
export function isGraphModel(model: tf.GraphModel | tf.LayersModel): model is tf.GraphModel {
  return 'executeAsync' in model;
}

/** @returns the node of an output or other value: `name`, `name:1`, or a name of the signature */
export function findNode(model: tf.GraphModel, name: string): GraphNode | undefined {
  const { nodes } = internalsOf(model).executor.graph;
  const signature = signatureOf(model).outputs?.[name]?.name ?? name;
  const [node = ''] = signature.split(':');
  return Object.hasOwn(nodes, node) ? nodes[node] : undefined;
}

interface Signature {
  readonly inputs?: Readonly<Record<string, Port>>;
  readonly outputs?: Readonly<Record<string, Port>>;
}

interface Port {
  readonly name: string;
  readonly tensorShape?: RawShape;
  /** Set for tables and other state that the caller does not pass. */
  readonly resourceId?: unknown;
}

export function signatureOf(model: tf.GraphModel): Signature {
  return (model.modelSignature ?? {}) as Signature;
}

/** @returns a shape with null for any size; undefined if the rank is unknown */
export function readShape(shape: RawShape | undefined): readonly (number | null)[] | undefined {
  if (shape === undefined || shape.unknownRank) return undefined;
  return (shape.dim ?? []).map(({ size = 0 }) => (Number(size) < 0 ? null : Number(size)));
}

/** @returns all nodes that some nodes need, these included, each after its inputs */
export function ancestorsOf(nodes: readonly GraphNode[]): GraphNode[] {
  const found = new Set<GraphNode>();
  const opened = new Set<GraphNode>();
  const waiting = [...nodes];
  while (waiting.length > 0) {
    const node = waiting.at(-1) as GraphNode;
    const missing = opened.has(node) ? [] : node.inputs.filter((input) => !opened.has(input));
    opened.add(node);
    if (missing.length > 0) waiting.push(...missing);
    else found.add(waiting.pop() as GraphNode);
  }
  return [...found];
}
