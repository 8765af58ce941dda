import type * as tf from '@tensorflow/tfjs';
import { NeuralDiffError } from '../model/errors.js';
import { CONTROL_FLOW } from './control-flow.js';
import type { OnnxNode } from './graph.js';
import { alignLayouts, plainOf } from './layout.js';
import { LOWERINGS } from './lowerings.js';
import type { OperatorContext } from './operator.js';
import { ELEMENTWISE, OPERATORS } from './operators.js';
import { MOVES } from './ops/axes.js';
import type { Recorder, Value } from './recorder.js';
import type { Place } from './scope.js';
import { operatorOf } from './walk.js';

/** Nodes that a recording may run: what constants lead to is not among its steps. */
const MAX_NODES = 2 ** 16;

/**
 * Records the nodes of a graph.
 *
 * @param nodes those to run, in order
 * @throws NeuralDiffError `unsupported-model`, with the node's name
 */
export function recordNodes(nodes: Iterable<OnnxNode>, place: Place): void {
  const { session, scope } = place;
  for (const node of nodes) {
    const names = node.outputs.filter((name) => name !== '');
    if (names.every((name) => scope.has(name))) continue;
    if (++session.count.nodes > MAX_NODES)
      throw unsupported(`expected at most ${MAX_NODES} nodes, those of loops counted each time`);
    const values = recordNode(node, place);
    node.outputs.forEach((name, i) => {
      const value = values[i];
      if (name !== '' && value) scope.set(name, value);
    });
  }
}

function recordNode(node: OnnxNode, place: Place): readonly Value[] {
  try {
    const inputs = node.inputs.map((name) => (name === '' ? undefined : place.scope.get(name)));
    const control = CONTROL_FLOW[operatorOf(node)];
    if (control) return control(node, inputs, { ...place, recordNodes });
    return recordOperator(inputs, contextOf(node, place), place.session.recorder);
  } catch (error) {
    if (error instanceof NeuralDiffError && error.message.startsWith('Cannot run')) throw error;
    const { message } = error as Error;
    throw new NeuralDiffError(
      'unsupported-model',
      `Cannot run node "${node.name}" (${operatorOf(node)}) of the ONNX model: ${message}`,
      { cause: error },
    );
  }
}

function contextOf(node: OnnxNode, { session, scope }: Place): OperatorContext {
  return {
    node,
    opset: session.opsets.get(node.domain) ?? 1,
    constant(attribute) {
      const value = node.attributes.get(attribute);
      return typeof value === 'object' && 'stored' in value ? session.constant(value) : undefined;
    },
    typeOf: (input) => scope.typeOf(node.inputs[input] ?? ''),
  };
}

function recordOperator(
  inputs: readonly (Value | undefined)[],
  context: OperatorContext,
  recorder: Recorder,
): readonly Value[] {
  const name = operatorOf(context.node);
  const lowering = LOWERINGS[name];
  if (lowering) return lowering(inputs, { ...context, recorder });
  const operator = OPERATORS[name];
  if (!operator) throw unsupported('the operator is not supported');
  const compute = (tensors: readonly (tf.Tensor | undefined)[]) => operator(tensors, context);
  if (ELEMENTWISE.has(name)) {
    const { values, isLast } = alignLayouts(recorder, inputs);
    return recorder.emit(values, compute, { isLast });
  }
  const moved = inputs[0]?.isLast ? MOVES[name]?.(inputs, { ...context, recorder }) : undefined;
  if (moved && !hasDynamicShape(name, inputs)) {
    const run = (tensors: readonly (tf.Tensor | undefined)[]) =>
      operator(tensors, { ...context, node: moved.node });
    return recorder.emit(moved.inputs, run, { isLast: true });
  }
  const plain = inputs.map((input) => input && plainOf(recorder, input));
  const isDynamic = hasDynamicShape(name, plain);
  return recorder.emit(plain, compute, isDynamic ? { isDynamic } : {});
}

/** Inputs that the shape of an operator's result follows from; -1 for all. */
const SHAPING_INPUTS: Readonly<Record<string, readonly number[]>> = {
  CenterCropPad: [1],
  Compress: [-1],
  ConstantOfShape: [0],
  Expand: [1],
  NonMaxSuppression: [-1],
  NonZero: [-1],
  OneHot: [1],
  Pad: [1, 3],
  Range: [-1],
  Reshape: [1],
  Resize: [2, 3],
  Slice: [1, 2, 3, 4],
  Split: [1],
  Squeeze: [1],
  Tile: [1],
  TopK: [1],
  Unique: [-1],
  Unsqueeze: [1],
  Upsample: [1],
};

function hasDynamicShape(name: string, inputs: readonly (Value | undefined)[]): boolean {
  const isLive = (index: number): boolean => inputs[index]?.slot !== undefined;
  const shaping = SHAPING_INPUTS[name] ?? [];
  const indexes = shaping[0] === -1 ? [...inputs.keys()] : shaping;
  return indexes.some(isLive) || inputs.some((input) => input?.isDynamic);
}

function unsupported(message: string): NeuralDiffError {
  return new NeuralDiffError('unsupported-model', message);
}
