import { bfloat16Bits, bfloat16Value } from '../../src/model/float16.js';
import type { Model } from '../../src/model/tensor.js';
import type { Values } from '../../src/train/part.js';
import { scalesOf } from '../../src/train/session.js';
import { storeOnGrids } from '../../src/train/store-on-grid.js';
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
  store: (model) => storeOnGrids(model, ({ dtype }) => (dtype === 'float32' ? 'bfloat16' : undefined)),
  round: (weights) =>
    mapValues(weights, (_name, values) => values.map((value) => bfloat16Value(bfloat16Bits(value)))),
};

/** What a channel's largest weight becomes. */
const LARGEST = 127;

/** Matrices in int8, a scale a channel; biases and norms as they are. */
const int8: StoredAs = {
  name: 'int8',
  store: (model) => storeOnGrids(model, ({ shape }) => (shape.length < 2 ? undefined : 'int8-channels')),
  round: (weights, { quantization }) =>
    mapValues(weights, (name, values) => {
      const known = quantization?.get(name);
      if (known === undefined) return values;
      const scale = scalesOf(known);
      return values.map((value, i) => nearest(value, scale, i) * (scale[i % scale.length] as number));
    }),
};

function nearest(value: number, scales: Float32Array, i: number): number {
  return Math.max(-LARGEST, Math.min(LARGEST, Math.round(value / (scales[i % scales.length] as number))));
}

function mapValues(weights: Values, change: (name: string, values: Float32Array) => Float32Array): Values {
  return new Map([...weights].map(([name, values]) => [name, change(name, values)]));
}

/** What is measured, coarser grids last. */
export const STORED_AS: readonly StoredAs[] = [bfloat16, int8];
