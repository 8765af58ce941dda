/** A dense layer: `activation(x · kernel + bias)`. */
export interface DenseLayer {
  /** [inputs, outputs] */
  readonly kernel: Float32Array;
  /** Absent from factors of kernels. */
  readonly bias?: Float32Array | undefined;
  readonly activation: 'relu' | 'tanh' | 'linear' | 'softmax';
}

/** @returns the outputs of a dense layer, a new array */
export function runDense({ kernel, bias, activation }: DenseLayer, inputs: Float32Array): Float32Array {
  const outputs = new Float32Array(kernel.length / inputs.length);
  if (bias) outputs.set(bias);
  addProduct(outputs, [inputs, kernel]);
  return activate(outputs, activation);
}

/** Which columns of a kernel. */
interface Columns {
  readonly from: number;
  readonly to: number;
}

/**
 * Adds `inputs · kernel` to the outputs of some columns, by default of all. Four columns at a time are summed
 * in variables, in double precision, so that narrow kernels cost what their operations cost.
 */
function addProduct(
  outputs: Float32Array,
  [inputs, kernel]: readonly [Float32Array, Float32Array],
  { from, to }: Columns = { from: 0, to: outputs.length },
): void {
  const width = outputs.length;
  let j = from;
  for (; j + 4 <= to; j += 4) {
    let a = outputs[j]!;
    let b = outputs[j + 1]!;
    let c = outputs[j + 2]!;
    let d = outputs[j + 3]!;
    for (let i = 0, at = j; i < inputs.length; i++, at += width) {
      const input = inputs[i]!;
      a += input * kernel[at]!;
      b += input * kernel[at + 1]!;
      c += input * kernel[at + 2]!;
      d += input * kernel[at + 3]!;
    }
    outputs[j] = a;
    outputs[j + 1] = b;
    outputs[j + 2] = c;
    outputs[j + 3] = d;
  }
  for (; j < to; j++) {
    let sum = outputs[j]!;
    for (let i = 0, at = j; i < inputs.length; i++, at += width) sum += inputs[i]! * kernel[at]!;
    outputs[j] = sum;
  }
}

function activate(values: Float32Array, activation: DenseLayer['activation']): Float32Array {
  if (activation === 'softmax') return softmax(values);
  if (activation === 'relu') {
    for (let i = 0; i < values.length; i++) if (values[i]! < 0) values[i] = 0;
  }
  if (activation === 'tanh') {
    for (let i = 0; i < values.length; i++) values[i] = Math.tanh(values[i]!);
  }
  return values;
}

function softmax(values: Float32Array): Float32Array {
  const most = values.reduce((a, b) => Math.max(a, b));
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] = Math.exp(values[i]! - most);
  for (let i = 0; i < values.length; i++) values[i]! /= sum;
  return values;
}

/** A gated recurrent unit, its gates in the order update, reset, candidate. */
export interface GruLayer {
  /** [inputs, 3 · units] */
  readonly kernel: Float32Array;
  /** [units, 3 · units] */
  readonly recurrent: Float32Array;
  /** [3 · units] */
  readonly bias: Float32Array;
}

/**
 * @param state [units]
 * @returns the next state, a new array
 *
 * Source: K. Cho et al., 2014, as TensorFlow.js computes it: with hard sigmoids, reset before the product.
 */
export function runGru(
  { kernel, recurrent, bias }: GruLayer,
  inputs: Float32Array,
  state: Float32Array,
): Float32Array {
  const units = state.length;
  const gates = bias.slice();
  addProduct(gates, [inputs, kernel]);
  addProduct(gates, [state, recurrent], { from: 0, to: 2 * units });
  const reset = new Float32Array(units);
  for (let i = 0; i < units; i++) reset[i] = hardSigmoid(gates[units + i]!) * state[i]!;
  addProduct(gates, [reset, recurrent], { from: 2 * units, to: 3 * units });
  return state.map((before, i) => {
    const kept = hardSigmoid(gates[i]!);
    return kept * before + (1 - kept) * Math.tanh(gates[2 * units + i]!);
  });
}

const hardSigmoid = (value: number): number => Math.min(1, Math.max(0, 0.2 * value + 0.5));
