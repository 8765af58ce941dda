import * as tf from '@tensorflow/tfjs';
import { numberOf, numbersOf, textOf } from '../attributes.js';
import type { Operator, OperatorContext, OperatorTable } from '../operator.js';
import { countTo, type Inputs, inputAt, textsAt, valuesOf } from './arguments.js';
import { type Activation, activationOf, CELLS, type Cell, type Direction, type States } from './cells.js';
import { fusedGru, fusedLstm } from './fused-cells.js';

/** A recurrent operator: its cell, and how many blocks its weights have. */
interface Kind {
  readonly cell: Cell;
  readonly gates: number;
  /** Activations of a direction by default. */
  readonly activations: readonly string[];
  /** Runs all steps in one kernel; undefined if it does not fit. */
  readonly fused?: (direction: Direction, wantsCell: boolean) => States | undefined;
}

const KINDS: Readonly<Record<'GRU' | 'LSTM' | 'RNN', Kind>> = {
  GRU: { cell: CELLS.GRU, gates: 3, activations: ['Sigmoid', 'Tanh'], fused: fusedGru },
  LSTM: { cell: CELLS.LSTM, gates: 4, activations: ['Sigmoid', 'Tanh', 'Tanh'], fused: fusedLstm },
  RNN: { cell: CELLS.RNN, gates: 1, activations: ['Tanh'] },
};

/** A recurrent layer over whole sequences, in one direction or both. */
function recurrent({ cell, gates, activations, fused }: Kind): Operator {
  return (inputs, context) => {
    const { node } = context;
    const isBatchFirst = numberOf(node, 'layout', 0) !== 0;
    // [batch, steps, inputs].
    const given = inputAt(inputs, 0);
    const x = isBatchFirst ? given : swapped(given);
    checkLengths(inputs[4], x.shape[1] as number);
    const backwards = directionsOf(textOf(node, 'direction', 'forward'));
    const names = textsAt(node, 'activations') ?? backwards.flatMap(() => activations);
    const functions = activationsOf(context, names);
    const run = (isBackward: boolean, i: number): States => {
      const direction: Direction = {
        ...weightsOf({ inputs, gates, isBatchFirst }, i),
        x: isBackward ? tf.reverse(x, 1) : x,
        ...optionsOf(context),
        activations: functions.slice(i * activations.length, (i + 1) * activations.length),
        isDefault: names.every((name, at) => name === activations[at % activations.length]),
      };
      const states = fused?.(direction, Boolean(node.outputs[2])) ?? cell(direction);
      return isBackward ? { ...states, hidden: tf.reverse(states.hidden, 1) } : states;
    };
    return outputsOf(backwards.map(run), backwards, isBatchFirst);
  };
}

/** Gives the outputs: all hidden states, the last ones, and the last cell states of an LSTM. */
function outputsOf(
  states: readonly States[],
  backwards: readonly boolean[],
  isBatchFirst: boolean,
): tf.Tensor[] {
  const steps = states[0]?.hidden.shape[1] as number;
  const last = states.map(({ hidden }, i) => {
    const [batch, , units] = hidden.shape as [number, number, number];
    const at = backwards[i] ? 0 : steps - 1;
    return tf.reshape(tf.slice(hidden, [0, at, 0], [batch, 1, units]), [batch, units]);
  });
  const cells = states.flatMap(({ cell }) => cell ?? []);
  // [batch, steps, directions, units] and [steps, directions, batch, units].
  const all = tf.stack(
    states.map(({ hidden }) => hidden),
    2,
  );
  const axis = isBatchFirst ? 1 : 0;
  return [
    isBatchFirst ? all : tf.transpose(all, [1, 2, 0, 3]),
    tf.stack(last, axis),
    ...(cells.length > 0 ? [tf.stack(cells, axis)] : []),
  ];
}

/** @returns for each direction whether it runs from the last step to the first */
function directionsOf(direction: string): boolean[] {
  const known: Readonly<Record<string, boolean[]>> = {
    forward: [false],
    reverse: [true],
    bidirectional: [false, true],
  };
  const found = known[direction];
  if (!found) throw new Error(`expected a known direction, got "${direction}"`);
  return found;
}

function checkLengths(lengths: tf.Tensor | undefined, steps: number): void {
  if (lengths && valuesOf(lengths).some((length) => length !== steps))
    throw new Error('expected sequences of equal length');
}

/** @returns a tensor with its first two dimensions exchanged */
function swapped(x: tf.Tensor): tf.Tensor {
  const [first = 1, second = 1, ...rest] = x.shape;
  if (first === 1 || second === 1) return tf.reshape(x, [second, first, ...rest]);
  return tf.transpose(x, [1, 0, ...countTo(rest.length).map((i) => i + 2)]);
}

/** @returns the weights and first states of a direction */
function weightsOf(
  { inputs, gates, isBatchFirst }: { inputs: Inputs; gates: number; isBatchFirst: boolean },
  index: number,
) {
  const at = (x: tf.Tensor, axis = 0): tf.Tensor => {
    const begin = x.shape.map((_, i) => (i === axis ? index : 0));
    return tf.squeeze(
      tf.slice(
        x,
        begin,
        x.shape.map((size, i) => (i === axis ? 1 : size)),
      ),
      [axis],
    );
  };
  const [kernel, recurrent] = [at(inputAt(inputs, 1)), at(inputAt(inputs, 2))];
  const units = recurrent.shape[1] as number;
  const [biases] = inputs[3] ? [at(inputs[3])] : [];
  const size = gates * units;
  const state = (i: number): tf.Tensor | undefined => inputs[i] && at(inputs[i], isBatchFirst ? 1 : 0);
  return {
    units,
    kernel: tf.transpose(kernel),
    recurrent: tf.transpose(recurrent),
    bias: biases && tf.slice(biases, [0], [size]),
    recurrentBias: biases && tf.slice(biases, [size], [size]),
    first: state(5),
    firstCell: gates === 4 ? state(6) : undefined,
    peepholes: gates === 4 && inputs[7] ? at(inputs[7]) : undefined,
  };
}

function optionsOf({ node }: OperatorContext) {
  return {
    clip: node.attributes.has('clip') ? numberOf(node, 'clip', 0) : undefined,
    couplesGates: numberOf(node, 'input_forget', 0) !== 0,
    resetsProduct: numberOf(node, 'linear_before_reset', 0) !== 0,
  };
}

/** @returns activations by name; those with parameters take theirs from the attributes, in order */
function activationsOf({ node }: OperatorContext, names: readonly string[]): Activation[] {
  const alphas = [...(numbersOf(node, 'activation_alpha') ?? [])];
  const betas = [...(numbersOf(node, 'activation_beta') ?? [])];
  return names.map((name) => activationOf(name, { alphas, betas }));
}

/** Recurrent layers. */
export const RECURRENT: OperatorTable = {
  GRU: recurrent(KINDS.GRU),
  LSTM: recurrent(KINDS.LSTM),
  RNN: recurrent(KINDS.RNN),
};
