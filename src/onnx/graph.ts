/** An attribute of a node: a number, a text, a tensor's bytes, a graph, or a list of these. */
export type Attribute = number | string | OnnxConstant | OnnxGraph | readonly number[] | readonly string[];

/** Element types of ONNX tensors that have a meaning here, by their number in `TensorProto.DataType`. */
export const ELEMENT_TYPES = {
  1: 'float32',
  2: 'uint8',
  3: 'int8',
  4: 'uint16',
  5: 'int16',
  6: 'int32',
  7: 'int64',
  9: 'bool',
  10: 'float16',
  11: 'float64',
  12: 'uint32',
  13: 'uint64',
  16: 'bfloat16',
} as const;

export type ElementType = (typeof ELEMENT_TYPES)[keyof typeof ELEMENT_TYPES];

/** A tensor that is part of the graph. */
export interface OnnxConstant {
  readonly type: ElementType;
  readonly shape: readonly number[];
  /** Name under which the model's store lists it. */
  readonly stored: string;
}

/** An operation. */
export interface OnnxNode {
  readonly op: string;
  /** Empty for the standard operators. */
  readonly domain: string;
  /** Its own name, or `#` and its index in the graph. */
  readonly name: string;
  /** Names of values; empty for inputs left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, Attribute>;
  /** Tells functions of the same name apart; undefined for most nodes. */
  readonly overload?: string | undefined;
  /** In a function: the function's attributes that the node takes as its own, by the node's names. */
  readonly references?: ReadonlyMap<string, string> | undefined;
}

/** An input or output of a graph. */
export interface OnnxPort {
  readonly name: string;
  /** Undefined if the file does not tell. */
  readonly type: ElementType | undefined;
  /** Null where the size is symbolic or unknown; undefined if even the rank is. */
  readonly shape: readonly (number | null)[] | undefined;
}

/** The graph of a model, or of a branch in it. Nodes are in an order in which they can run. */
export interface OnnxGraph {
  readonly nodes: readonly OnnxNode[];
  /** Constants by the name of their value. */
  readonly constants: ReadonlyMap<string, OnnxConstant>;
  /** Without those that are constants. */
  readonly inputs: readonly OnnxPort[];
  readonly outputs: readonly OnnxPort[];
}

/** A function that a model defines: nodes that call it stand for its own. */
export interface OnnxFunction {
  /** Its domain, name and overload, as in the names of its tensors in the store. */
  readonly id: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Values of attributes that a call may leave out. */
  readonly defaults: ReadonlyMap<string, Attribute>;
  /** Versions of the operators, by domain. */
  readonly opsets: ReadonlyMap<string, number>;
  readonly body: Pick<OnnxGraph, 'nodes' | 'constants'>;
}

/** A model as its file describes it. */
export interface OnnxModel {
  readonly graph: OnnxGraph;
  /** Versions of the operators, by domain. */
  readonly opsets: ReadonlyMap<string, number>;
}
