import { multiply } from './products.js';

/** A dense layer: `activation(x · kernel + bias)`. */
export interface DenseLayer {
  /** [inputs, outputs] */
  readonly kernel: Float32Array;
  /** [outputs]; absent from factors of kernels. */
  readonly bias?: Float32Array | undefined;
  readonly activation: 'relu' | 'tanh' | 'linear' | 'softmax';
}

/** Runs a layer once. It keeps the array that it returns, and writes into it when it runs again. */
export type RunLayer = (inputs: Float32Array) => Float32Array;

/** @returns a function that runs the layer; weights that change count from its next run on */
export function createDense({ kernel, bias, activation }: DenseLayer): RunLayer {
  let outputs: Float32Array | undefined;
  let start = bias;
  const activate = ACTIVATIONS[activation];
  return (inputs) => {
    outputs ??= new Float32Array(bias?.length ?? kernel.length / inputs.length);
    start ??= new Float32Array(outputs.length);
    multiply(outputs, { inputs, kernel, start });
    activate(outputs);
    return outputs;
  };
}

/** In place. */
const ACTIVATIONS: Readonly<Record<DenseLayer['activation'], (values: Float32Array) => void>> = {
  linear() {},
  // Without a branch, as half of the signs would be guessed wrong.
  relu(values) {
    for (let i = 0; i < values.length; i++) values[i] = (values[i]! + Math.abs(values[i]!)) / 2;
  },
  tanh(values) {
    for (let i = 0; i < values.length; i++) values[i] = tanh(values[i]!);
  },
  softmax(values) {
    let most = values[0]!;
    for (let i = 1; i < values.length; i++) most = Math.max(most, values[i]!);
    let sum = 0;
    for (let i = 0; i < values.length; i++) sum += values[i] = Math.exp(values[i]! - most);
    for (let i = 0; i < values.length; i++) values[i]! /= sum;
  },
};

/** Takes half the time of `Math.tanh`, and differs from it by less than 1e-15. */
const tanh = (value: number): number => 1 - 2 / (Math.exp(2 * value) + 1);

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
 * @returns a function that runs the layer and returns its state, which is 0 at first
 *
 * Source: K. Cho et al., 2014, as TensorFlow.js computes it: with hard sigmoids, reset before the product.
 */
export function createGru({ kernel, recurrent, bias }: GruLayer): RunLayer {
  const units = bias.length / 3;
  const gates = new Float32Array(bias.length);
  const state = new Float32Array(units);
  const reset = new Float32Array(units);
  const choices = { from: 0, to: 2 * units };
  const candidate = { from: 2 * units, to: 3 * units };
  return (inputs) => {
    multiply(gates, { inputs, kernel, start: bias });
    multiply(gates, { inputs: state, kernel: recurrent, start: gates }, choices);
    for (let i = 0; i < units; i++) reset[i] = hardSigmoid(gates[units + i]!) * state[i]!;
    multiply(gates, { inputs: reset, kernel: recurrent, start: gates }, candidate);
    for (let i = 0; i < units; i++) {
      const kept = hardSigmoid(gates[i]!);
      state[i] = kept * state[i]! + (1 - kept) * tanh(gates[2 * units + i]!);
    }
    return state;
  };
}

const hardSigmoid = (value: number): number => Math.min(1, Math.max(0, 0.2 * value + 0.5));
