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
  addProduct(outputs, inputs, kernel);
  return activate(outputs, activation);
}

/** Adds `inputs · kernel` to the outputs. */
function addProduct(outputs: Float32Array, inputs: Float32Array, kernel: Float32Array): void {
  const width = outputs.length;
  for (let i = 0; i < inputs.length; i++) {
    const input = inputs[i]!;
    const start = i * width;
    for (let j = 0; j < width; j++) outputs[j]! += input * kernel[start + j]!;
  }
}

function activate(values: Float32Array, activation: DenseLayer['activation']): Float32Array {
  if (activation === 'linear') return values;
  if (activation === 'softmax') return softmax(values);
  for (let i = 0; i < values.length; i++) {
    values[i] = activation === 'relu' ? Math.max(0, values[i]!) : Math.tanh(values[i]!);
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
  addProduct(gates, inputs, kernel);
  addColumns(gates, { inputs: state, kernel: recurrent, from: 0, to: 2 * units });
  const reset = new Float32Array(units);
  for (let i = 0; i < units; i++) reset[i] = hardSigmoid(gates[units + i]!) * state[i]!;
  addColumns(gates, { inputs: reset, kernel: recurrent, from: 2 * units, to: 3 * units });
  return state.map((before, i) => {
    const kept = hardSigmoid(gates[i]!);
    return kept * before + (1 - kept) * Math.tanh(gates[2 * units + i]!);
  });
}

const hardSigmoid = (value: number): number => Math.min(1, Math.max(0, 0.2 * value + 0.5));

/** Adds some columns of `inputs · kernel` to the outputs. */
function addColumns(
  outputs: Float32Array,
  { inputs, kernel, from, to }: { inputs: Float32Array; kernel: Float32Array; from: number; to: number },
): void {
  for (let i = 0; i < inputs.length; i++) {
    const input = inputs[i]!;
    const start = i * outputs.length;
    for (let j = from; j < to; j++) outputs[j]! += input * kernel[start + j]!;
  }
}
