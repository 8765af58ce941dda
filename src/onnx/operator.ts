import type * as tf from '@tensorflow/tfjs';
import type { ElementType, OnnxNode } from './graph.js';

/** The node that an operator runs for, with its attributes by type. */
export interface OperatorContext {
  readonly node: OnnxNode;
  /** Version of the operators of the node's domain. */
  readonly opset: number;
  /** @returns the values of a tensor in an attribute of the node; undefined without the attribute */
  constant(attribute: string): tf.Tensor | undefined;
  /** @returns the element type of an input that is a constant or an input of a graph; undefined for others */
  typeOf(input: number): ElementType | undefined;
}

/**
 * Runs an operator. Values are TensorFlow.js tensors in the shapes that ONNX defines: floats are float32;
 * integers of all widths are int32, clipped to its range; booleans are bool. Inputs left out are undefined.
 * The caller disposes of everything, results included.
 */
export type Operator = (
  inputs: readonly (tf.Tensor | undefined)[],
  context: OperatorContext,
) => tf.Tensor | readonly tf.Tensor[];

/** Operators by their ONNX names. */
export type OperatorTable = Readonly<Record<string, Operator>>;
