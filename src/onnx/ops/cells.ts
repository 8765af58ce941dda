import * as tf from '@tensorflow/tfjs';

/** A sequence, and the weights of a cell that runs over it; blocks of gates in the order of ONNX. */
export interface Direction {
  /** [batch, steps, inputs], in the order in which the cell sees them. */
  readonly x: tf.Tensor;
  readonly units: number;
  /** [inputs, gates * units]. */
  readonly kernel: tf.Tensor;
  /** [units, gates * units]. */
  readonly recurrent: tf.Tensor;
  /** [gates * units]. */
  readonly bias: tf.Tensor | undefined;
  readonly recurrentBias: tf.Tensor | undefined;
  /** States before the first step, [batch, units]; zeros by default. */
  readonly first: tf.Tensor | undefined;
  readonly firstCell: tf.Tensor | undefined;
  /** Weights from the cell state to the input, output and forget gates of an LSTM, [3 * units]. */
  readonly peepholes: tf.Tensor | undefined;
  readonly activations: readonly Activation[];
  /** Whether the activations are the operator's own. */
  readonly isDefault: boolean;
  /** Bound of what goes into the activations. */
  readonly clip: number | undefined;
  /** Whether an LSTM forgets as much as it takes in. */
  readonly couplesGates: boolean;
  /** Whether a GRU resets the product of its state and the weights, rather than its state. */
  readonly resetsProduct: boolean;
}

/** States of a cell. */
export interface States {
  /** After each step, [batch, steps, units]. */
  readonly hidden: tf.Tensor;
  /** The cell state after the last step of an LSTM, [batch, units]. */
  readonly cell?: tf.Tensor | undefined;
}

/** Runs a cell over a sequence, step by step. */
export type Cell = (direction: Direction) => States;

export type Activation = (x: tf.Tensor) => tf.Tensor;

/** Numbers for activations with parameters; each takes the first of those left. */
interface Parameters {
  readonly alphas: number[];
  readonly betas: number[];
}

const ACTIVATIONS: Readonly<Record<string, (parameters: Parameters) => Activation>> = {
  Affine: ({ alphas, betas }) => {
    const [alpha, beta] = [alphas.shift() ?? 1, betas.shift() ?? 0];
    return (x) => tf.add(tf.mul(x, alpha), beta);
  },
  HardSigmoid: ({ alphas, betas }) => {
    const [alpha, beta] = [alphas.shift() ?? 0.2, betas.shift() ?? 0.5];
    return (x) => tf.clipByValue(tf.add(tf.mul(x, alpha), beta), 0, 1);
  },
  LeakyRelu: ({ alphas }) => {
    const alpha = alphas.shift() ?? 0.01;
    return (x) => tf.leakyRelu(x, alpha);
  },
  Relu: () => tf.relu,
  Sigmoid: () => tf.sigmoid,
  Softsign: () => (x) => tf.div(x, tf.add(tf.abs(x), 1)),
  Tanh: () => tf.tanh,
};

/** @returns the activation of that name; takes its parameters off the lists */
export function activationOf(name: string, parameters: Parameters): Activation {
  const found = ACTIVATIONS[name];
  if (found) return found(parameters);
  throw new Error(`expected one of the activations ${Object.keys(ACTIVATIONS).join(', ')}, got "${name}"`);
}

function sumOf(...parts: readonly (tf.Tensor | undefined)[]): tf.Tensor | undefined {
  const given = parts.filter((part) => part !== undefined);
  return given.length > 0 ? given.reduce((a, b) => tf.add(a, b)) : undefined;
}

/** @returns what the inputs of each step give to the gates, [batch, gates * units] */
function inputParts({ x, kernel }: Direction, bias: tf.Tensor | undefined): tf.Tensor[] {
  const [batch, steps, inputs] = x.shape as [number, number, number];
  const product = tf.matMul(tf.reshape(x, [batch * steps, inputs]), kernel);
  const all = bias ? tf.add(product, bias) : product;
  return tf.unstack(tf.reshape(all, [batch, steps, kernel.shape[1] as number]), 1);
}

function startOf({ x, units }: Direction, given: tf.Tensor | undefined): tf.Tensor {
  return given ?? tf.zeros([x.shape[0] as number, units]);
}

function clipper({ clip }: Direction): Activation {
  return clip === undefined ? (x) => x : (x) => tf.clipByValue(x, -clip, clip);
}

function lstm(direction: Direction): States {
  const { recurrent, bias, recurrentBias, peepholes, couplesGates } = direction;
  const [f, g, h] = direction.activations as [Activation, Activation, Activation];
  const [clip, outputs] = [clipper(direction), [] as tf.Tensor[]];
  let hidden = startOf(direction, direction.first);
  let cell = startOf(direction, direction.firstCell);
  const [fromInput, fromOutput, fromForget] = peepholes ? tf.split(peepholes, 3) : [];
  const seen = (gate: tf.Tensor, weights: tf.Tensor | undefined): tf.Tensor =>
    f(clip(weights ? tf.add(gate, tf.mul(weights, cell)) : gate));
  for (const part of inputParts(direction, sumOf(bias, recurrentBias))) {
    const all = tf.add(part, tf.matMul(hidden, recurrent));
    const [i, o, forget, candidate] = tf.split(all, 4, 1) as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
    const input = seen(i, fromInput);
    const kept = couplesGates ? tf.sub(1, input) : seen(forget, fromForget);
    cell = tf.add(tf.mul(kept, cell), tf.mul(input, g(clip(candidate))));
    hidden = tf.mul(seen(o, fromOutput), h(cell));
    outputs.push(hidden);
  }
  return { hidden: tf.stack(outputs, 1), cell };
}

function gru(direction: Direction): States {
  const { recurrent, bias, recurrentBias, units, resetsProduct } = direction;
  const [f, g] = direction.activations as [Activation, Activation];
  const [clip, outputs] = [clipper(direction), [] as tf.Tensor[]];
  const [gateWeights, weights] = tf.split(recurrent, [2 * units, units], 1) as [tf.Tensor, tf.Tensor];
  const [gateBias, candidateBias] = recurrentBias ? tf.split(recurrentBias, [2 * units, units]) : [];
  const withBias = (product: tf.Tensor): tf.Tensor => sumOf(product, candidateBias) as tf.Tensor;
  let hidden = startOf(direction, direction.first);
  for (const part of inputParts(direction, bias)) {
    const [gates, input] = tf.split(part, [2 * units, units], 1) as [tf.Tensor, tf.Tensor];
    const opened = f(clip(sumOf(gates, tf.matMul(hidden, gateWeights), gateBias) as tf.Tensor));
    const [update, reset] = tf.split(opened, 2, 1) as [tf.Tensor, tf.Tensor];
    const state = resetsProduct
      ? tf.mul(reset, withBias(tf.matMul(hidden, weights)))
      : withBias(tf.matMul(tf.mul(reset, hidden), weights));
    const candidate = g(clip(tf.add(input, state)));
    hidden = tf.add(tf.mul(update, hidden), tf.mul(tf.sub(1, update), candidate));
    outputs.push(hidden);
  }
  return { hidden: tf.stack(outputs, 1) };
}

function rnn(direction: Direction): States {
  const { recurrent, bias, recurrentBias } = direction;
  const [f] = direction.activations as [Activation];
  const [clip, outputs] = [clipper(direction), [] as tf.Tensor[]];
  let hidden = startOf(direction, direction.first);
  for (const part of inputParts(direction, sumOf(bias, recurrentBias))) {
    hidden = f(clip(tf.add(part, tf.matMul(hidden, recurrent))));
    outputs.push(hidden);
  }
  return { hidden: tf.stack(outputs, 1) };
}

/** Cells by their operators. */
export const CELLS = { GRU: gru, LSTM: lstm, RNN: rnn } as const satisfies Record<string, Cell>;
