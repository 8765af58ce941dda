import { bfloat16Bits, bfloat16Value } from '../../src/model/float16.js';
import type { Quantization } from '../../src/model/store.js';
import type { Model, Tensor } from '../../src/model/tensor.js';
import type { Values } from '../../src/train/part.js';
import type { DeviceModel } from '../../src/train/task.js';

/** A way in which devices store a model that was trained in float32. */
export interface StoredAs {
  readonly name: string;
  /** @returns the model as devices store it */
  store(model: Model): DeviceModel;
  /** @returns weights rounded to what a device can store */
  round(weights: Values, device: DeviceModel): Values;
}

const bfloat16: StoredAs = {
  name: 'bfloat16',
  store({ tensors }) {
    const store = (tensor: Tensor): Tensor => {
      const bits = Uint16Array.from(floatsOf(tensor), bfloat16Bits);
      return { ...tensor, dtype: 'bfloat16', bytes: new Uint8Array(bits.buffer) };
    };
    return { tensors: tensors.map((tensor) => (tensor.dtype === 'float32' ? store(tensor) : tensor)) };
  },
  round: (weights) =>
    mapValues(weights, (_name, values) => values.map((value) => bfloat16Value(bfloat16Bits(value)))),
};

/** What a channel's largest weight becomes. */
const LARGEST = 127;

/** Matrices in int8, a scale a channel; biases and norms as they are. */
const int8: StoredAs = {
  name: 'int8',
  store({ tensors }) {
    const quantization = new Map<string, Quantization>();
    const store = (tensor: Tensor): Tensor => {
      if (tensor.shape.length < 2) return tensor;
      const values = floatsOf(tensor);
      const scale = channelScales(values, tensor.shape.at(-1) as number);
      quantization.set(tensor.name, { scale });
      const integers = Int8Array.from(values, (value, i) => nearest(value, scale, i));
      return { ...tensor, dtype: 'int8', bytes: new Uint8Array(integers.buffer) };
    };
    return { tensors: tensors.map(store), quantization };
  },
  round: (weights, { quantization }) =>
    mapValues(weights, (name, values) => {
      const scale = quantization?.get(name)?.scale as Float32Array | undefined;
      if (scale === undefined) return values;
      return values.map((value, i) => nearest(value, scale, i) * (scale[i % scale.length] as number));
    }),
};

function channelScales(values: Float32Array, channels: number): Float32Array {
  const scales = new Float32Array(channels).fill(2 ** -30);
  for (const [i, value] of values.entries()) {
    scales[i % channels] = Math.max(scales[i % channels] as number, Math.abs(value) / LARGEST);
  }
  return scales;
}

function nearest(value: number, scales: Float32Array, i: number): number {
  return Math.max(-LARGEST, Math.min(LARGEST, Math.round(value / (scales[i % scales.length] as number))));
}

function floatsOf({ bytes }: Tensor): Float32Array {
  return new Float32Array(bytes.slice().buffer);
}

function mapValues(weights: Values, change: (name: string, values: Float32Array) => Float32Array): Values {
  return new Map([...weights].map(([name, values]) => [name, change(name, values)]));
}

/** What is measured, coarser grids last. */
export const STORED_AS: readonly StoredAs[] = [bfloat16, int8];
