import * as tf from '@tensorflow/tfjs';
import { numberOf, numbersOf } from '../attributes.js';
import type { Attribute, OnnxNode } from '../graph.js';
import { axisOf, lastOrder } from '../layout.js';
import type { LoweringContext } from '../lowering.js';
import type { Value } from '../recorder.js';

/** A node and its inputs in the words of channels last. */
export interface Moved {
  readonly node: OnnxNode;
  readonly inputs: readonly (Value | undefined)[];
}

type Inputs = readonly (Value | undefined)[];

/** Rewrites a node with axes for channels last; undefined if its result would have another layout. */
type Move = (inputs: Inputs, context: LoweringContext) => Moved | undefined;

const split: Move = (inputs, { node }) => {
  const axis = axisOf(inputs[0] as Value, numberOf(node, 'axis', 0));
  return { node: withAttribute(node, 'axis', axis), inputs };
};

const reduce: Move = ([x, given], { node }) => {
  const axes = given ? knownNumbers(given) : numbersOf(node, 'axes');
  if (numberOf(node, 'keepdims', 1) === 0 || !axes || axes.length === 0) return undefined;
  const moved = axes.map((axis) => axisOf(x as Value, axis));
  return { node: withAttribute(node, 'axes', moved), inputs: [x] };
};

/** Numbers for all axes, in some of the inputs. */
const perAxis =
  (...indexes: readonly number[]): Move =>
  (inputs, { node, recorder }) => {
    const [first] = inputs;
    const order = lastOrder((first as Value).tensor.rank);
    const isPlain =
      numbersOf(node, 'axes') === undefined && indexes.every((i) => isListOf(inputs[i], order.length));
    if (!isPlain) return undefined;
    const move = (value: Value | undefined): Value | undefined => {
      const numbers = value && (knownNumbers(value) as readonly number[]);
      if (!numbers || numbers.length === 0) return value;
      const half = numbers.length > order.length ? [0, order.length] : [0];
      const moved = half.flatMap((start) => order.map((axis) => numbers[start + axis] as number));
      return recorder.known(tf.tensor1d(moved, value.tensor.dtype as 'int32'));
    };
    return { node, inputs: inputs.map((input, i) => (indexes.includes(i) ? move(input) : input)) };
  };

const slice: Move = (inputs, { recorder }) => {
  const [x, starts, ends, axes, steps] = inputs;
  const named = axes ? knownNumbers(axes) : starts && [...Array(starts.tensor.size).keys()];
  if (!named || [starts, ends, steps].some((each) => each && !knownNumbers(each))) return undefined;
  const moved = named.map((axis) => axisOf(x as Value, axis));
  return {
    node: NO_ATTRIBUTES,
    inputs: [x, starts, ends, recorder.known(tf.tensor1d(moved, 'int32')), steps],
  };
};

const NO_ATTRIBUTES: OnnxNode = {
  op: 'Slice',
  domain: '',
  name: '',
  inputs: [],
  outputs: [],
  attributes: new Map(),
};

function withAttribute(node: OnnxNode, name: string, value: Attribute): OnnxNode {
  return { ...node, attributes: new Map([...node.attributes, [name, value]]) };
}

function knownNumbers({ slot, tensor }: Value): readonly number[] | undefined {
  return slot === undefined ? Array.from(tensor.dataSync()) : undefined;
}

/** @returns whether a value is left out, or has a known number for each axis or each end of one */
function isListOf(value: Value | undefined, count: number): boolean {
  if (value === undefined) return true;
  return value.slot === undefined && [0, count, 2 * count].includes(value.tensor.size);
}

const REDUCTIONS = ['L1', 'L2', 'LogSum', 'LogSumExp', 'Max', 'Mean', 'Min', 'Prod', 'Sum', 'SumSquare'];

/** Operators with axes that keep channels last. */
export const MOVES: Readonly<Record<string, Move>> = {
  ...Object.fromEntries(REDUCTIONS.map((name) => [`Reduce${name}`, reduce])),
  Pad: (inputs, context) => (inputs[1] && !inputs[3] ? perAxis(1)(inputs, context) : undefined),
  Resize: (inputs, context) =>
    inputs.length > 1 ? perAxis(...(inputs.length > 2 ? [2, 3] : [1]))(inputs, context) : undefined,
  Slice: (inputs, context) => (inputs[1] ? slice(inputs, context) : undefined),
  Split: split,
  Upsample: (inputs, context) => (inputs[1] ? perAxis(1)(inputs, context) : undefined),
};
