import * as tf from '@tensorflow/tfjs';
import { runSequence } from '../../tfjs/kernels/layers/sequence.js';
import { activeSimd } from '../../tfjs/kernels/own-kernels.js';
import type { Direction, States } from './cells.js';

/** @returns the states of an LSTM, all steps in one kernel; undefined if the kernel does not fit */
export function fusedLstm(direction: Direction, wantsCell: boolean): States | undefined {
  const { peepholes, couplesGates, kernel, recurrent, bias, recurrentBias } = direction;
  if (!fits(direction) || peepholes || couplesGates) return undefined;
  // Input, output, forget, candidate; the kernel has the output last.
  const ordered = (x: tf.Tensor): tf.Tensor => arranged(x, 4, ([i, o, f, c]) => [i, f, c, o]);
  const sequence = { ...statesOf(direction), kernel: ordered(kernel), recurrent: ordered(recurrent) };
  const biases = bias && recurrentBias && { bias: ordered(tf.add(bias, recurrentBias)) };
  return runSequence('lstm', { ...sequence, ...biases }, { wantsCell });
}

/** @returns the states of a GRU, all steps in one kernel; undefined if the kernel does not fit */
export function fusedGru(direction: Direction): States | undefined {
  const { kernel, recurrent, bias, recurrentBias, resetsProduct } = direction;
  if (!fits(direction)) return undefined;
  const { firstCell: _, ...states } = statesOf(direction);
  if (!resetsProduct) {
    const biases = bias && recurrentBias && { bias: tf.add(bias, recurrentBias) };
    return runSequence('gru', { ...states, kernel, recurrent, ...biases });
  }
  // The candidate has one block for the inputs and one for the state.
  const zeros = (x: tf.Tensor): tf.Tensor => tf.zerosLike(x);
  return runSequence('gruAfter', {
    ...states,
    kernel: arranged(kernel, 3, ([z, r, c]) => [z, r, c, zeros(c)]),
    recurrent: arranged(recurrent, 3, ([z, r, c]) => [z, r, zeros(c), c]),
    ...(bias && recurrentBias && { bias: biasAfter(bias, recurrentBias) }),
  });
}

function fits({ isDefault, clip, x }: Direction): boolean {
  return isDefault && clip === undefined && x.size > 0 && activeSimd() !== undefined;
}

function statesOf({ x, first, firstCell }: Direction) {
  return { x, ...(first && { first }), ...(firstCell && { firstCell }) };
}

type Four = [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];

/** Rearranges blocks along the last axis. */
function arranged(x: tf.Tensor, count: number, order: (blocks: Four) => tf.Tensor[]): tf.Tensor {
  const axis = x.rank - 1;
  return tf.concat(order(tf.split(x, count, axis) as Four), axis);
}

function biasAfter(bias: tf.Tensor, recurrentBias: tf.Tensor): tf.Tensor {
  const [z, r, c] = tf.split(bias, 3) as Four;
  const [z2, r2, c2] = tf.split(recurrentBias, 3) as Four;
  return tf.concat([tf.add(z, z2), tf.add(r, r2), c, c2]);
}
