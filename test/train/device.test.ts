import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { trainHashDiff } from '../../src/hash-diff/train-hash-diff.js';
import { bfloat16Bits, bfloat16Value, float16Bits, float16Value } from '../../src/model/float16.js';
import { openMemoryStore, type Quantization } from '../../src/model/store.js';
import type { DType, Model, Tensor } from '../../src/model/tensor.js';
import { trainSparseDiff } from '../../src/sparse-diff/train-sparse-diff.js';
import { copyWeights, namedWeights } from '../../src/tfjs/weights.js';
import type { DeviceModel } from '../../src/train/task.js';
import type { TrainDiffOptions, TrainedDiff } from '../../src/train/train-diff.js';
import { createTinyTask, QUICK, type TinyTask } from './tiny-task.js';

let tiny: TinyTask;
let base: Model;
beforeAll(async () => {
  tiny = await createTinyTask();
  base = await copyWeights(namedWeights(tiny.model));
});

const floatsOf = ({ bytes }: Tensor): Float32Array => new Float32Array(bytes.slice().buffer);

function inHalves(dtype: DType, narrow: (value: number) => number): () => DeviceModel {
  return () => ({
    tensors: base.tensors.map((tensor) => {
      const bits = Uint16Array.from(floatsOf(tensor), narrow);
      return { ...tensor, dtype, bytes: new Uint8Array(bits.buffer) };
    }),
  });
}

/** Matrices with a scale a channel, so that weights of many channels lie at the ends of the range. */
function inInt8(): DeviceModel {
  return quantised(
    'int8',
    ({ shape }) => shape.length > 1,
    (values, channels) => {
      const scale = new Float32Array(channels);
      for (const [i, value] of values.entries()) {
        scale[i % channels] = Math.max(scale[i % channels] as number, Math.abs(value) / 127);
      }
      return { scale };
    },
  );
}

/** Everything with one scale and a zero point, the largest weights cut off. */
function inUint8(): DeviceModel {
  return quantised(
    'uint8',
    () => true,
    (values) => {
      const most = 0.6 * Math.max(...values.map(Math.abs)) || 1;
      return { scale: most / 100, zeroPoint: 120 };
    },
  );
}

function quantised(
  dtype: 'int8' | 'uint8',
  takes: (tensor: Tensor) => boolean,
  choose: (values: Float32Array, channels: number) => Quantization,
): DeviceModel {
  const quantization = new Map<string, Quantization>();
  const [least, most] = dtype === 'int8' ? [-128, 127] : [0, 255];
  const tensors = base.tensors.map((tensor) => {
    if (!takes(tensor)) return tensor;
    const values = floatsOf(tensor);
    const chosen = choose(values, tensor.shape.at(-1) as number);
    quantization.set(tensor.name, chosen);
    const integers = values.map((value, i) => {
      const integer = Math.round(value / scaleAt(chosen, i)) + (chosen.zeroPoint ?? 0);
      return Math.min(most as number, Math.max(least as number, integer));
    });
    return { ...tensor, dtype, bytes: new Uint8Array(Int8Array.from(integers).buffer) };
  });
  return { tensors, quantization };
}

const scaleAt = ({ scale }: Quantization, i: number): number =>
  typeof scale === 'number' ? scale : (scale[i % scale.length] as number);

/** What a device computes with: its numbers, widened by its own arithmetic. */
function widened({ name, dtype, bytes }: Tensor, quantization: DeviceModel['quantization']): Float32Array {
  if (dtype === 'float32') return new Float32Array(bytes.slice().buffer);
  if (dtype === 'float16') return Float32Array.from(new Uint16Array(bytes.slice().buffer), float16Value);
  if (dtype === 'bfloat16') return Float32Array.from(new Uint16Array(bytes.slice().buffer), bfloat16Value);
  const integers = dtype === 'int8' ? new Int8Array(bytes.slice().buffer) : bytes;
  const chosen = quantization?.get(name) as Quantization;
  return Float32Array.from(integers, (q, i) => scaleAt(chosen, i) * (q - (chosen.zeroPoint ?? 0)));
}

async function accuracyOf({ tensors }: Model, { quantization }: DeviceModel): Promise<number> {
  const kept = tiny.model.getWeights().map((weight) => weight.clone());
  const byName = new Map(tensors.map((tensor) => [tensor.name, widened(tensor, quantization)]));
  tiny.model.setWeights(
    namedWeights(tiny.model).map(({ name, variable }) =>
      tf.tensor(byName.get(name) as Float32Array, variable.shape),
    ),
  );
  const { accuracy } = await tiny.task.evaluate(tiny.validation);
  tiny.model.setWeights(kept);
  return accuracy as number;
}

const DEVICES: Readonly<Record<string, () => DeviceModel>> = {
  float16: inHalves('float16', float16Bits),
  bfloat16: inHalves('bfloat16', bfloat16Bits),
  'int8, a scale a channel': inInt8,
  'uint8, zero points': inUint8,
};

type Trainer = (options: TrainDiffOptions) => Promise<TrainedDiff>;
const KINDS: Readonly<Record<string, Trainer>> = {
  'trainHashDiff()': trainHashDiff,
  'trainSparseDiff() rewound': trainSparseDiff,
  'trainSparseDiff() annealed': (options) => trainSparseDiff({ ...options, selection: 'anneal' }),
};

const options = (device: DeviceModel): TrainDiffOptions => {
  const { task, train, validation } = tiny;
  return { task, train, validation, budget: '4%', ...QUICK, device };
};

const cases = Object.keys(DEVICES).flatMap((device) => Object.keys(KINDS).map((kind) => [kind, device]));

describe.each(cases)('%s for a device that stores %s', (kind, deviceName) => {
  const device = () => (DEVICES[deviceName] as () => DeviceModel)();

  test('measures the weights that the device uses after the update, and improves on its base', async () => {
    const stored = device();
    const trained = await (KINDS[kind] as Trainer)(options(stored));
    const before = await accuracyOf(stored, stored);
    expect(trained.metrics.base.accuracy).toBe(before);
    const tensors = stored.tensors.map((tensor) => ({ ...tensor, bytes: tensor.bytes.slice() }));
    const { status, fingerprint } = await applyPayload(openMemoryStore({ tensors }), trained.payload);
    expect([status, fingerprint]).toEqual(['applied', trained.next]);
    expect(trained.metrics.diff.accuracy).toBe(await accuracyOf({ tensors }, stored));
    expect(trained.metrics.diff.accuracy).toBeGreaterThan(before + 0.1);
    expect(await copyWeights(namedWeights(tiny.model))).toEqual(base);
  });
});

test.each(['int8, a scale a channel', 'uint8, zero points'])(
  'trainHashDiff() lets no integer of %s wrap around',
  async (name) => {
    const stored = (DEVICES[name] as () => DeviceModel)();
    const { model } = await trainHashDiff(options(stored));
    const before = new Map(stored.tensors.map((tensor) => [tensor.name, tensor]));
    const ends: number[] = [];
    for (const tensor of model.tensors) {
      // Small biases may move from one end of their range to the other.
      if (tensor.shape.length < 2) continue;
      const unscaled = new Map([[tensor.name, { scale: 1 }]]);
      const old = widened(before.get(tensor.name) as Tensor, unscaled);
      const now = widened(tensor, unscaled);
      expect(Math.max(...now.map((q, i) => Math.abs(q - (old[i] as number))))).toBeLessThan(128);
      ends.push(...now.filter((q) => (tensor.dtype === 'int8' ? Math.abs(q) >= 127 : q === 0 || q === 255)));
    }
    expect(ends.length).toBeGreaterThan(3);
  },
);

test('trainDiff() for a device leaks no tensors', async () => {
  await trainHashDiff(options(inInt8()));
  const before = tf.memory().numTensors;
  await trainHashDiff(options(inInt8()));
  await trainSparseDiff(options(inUint8()));
  expect(tf.memory().numTensors).toBe(before);
});

const withQuantization = (name: string, changes: Partial<Quantization>): DeviceModel => {
  const device = inInt8();
  const quantization = new Map(device.quantization);
  quantization.set(name, { ...(quantization.get(name) ?? { scale: 1 }), ...changes });
  return { ...device, quantization };
};

const REFUSED: Readonly<Record<string, [() => DeviceModel, string]>> = {
  'fewer tensors': [() => ({ tensors: base.tensors.slice(1) }), 'expected tensor "'],
  'another name': [
    () => ({ tensors: base.tensors.map((tensor, i) => (i === 2 ? { ...tensor, name: 'x' } : tensor)) }),
    'tensor "',
  ],
  'integers that stand for nothing': [
    () => ({ tensors: inInt8().tensors }),
    'to hold floats or to have a quantisation, got int8',
  ],
  'a quantisation of floats': [() => withQuantization('hidden/bias', {}), 'int8 or uint8, got float32'],
  'a quantisation of nothing': [() => withQuantization('hiden/kernel', {}), 'int8 or uint8, got none'],
  'a scale of 0': [() => withQuantization('hidden/kernel', { scale: 0 }), 'scales above 0, got 0'],
  'too few scales': [
    () => withQuantization('hidden/kernel', { scale: Float32Array.of(1, 2) }),
    'one scale or 48, got 2',
  ],
  'a min that is no number': [() => withQuantization('hidden/kernel', { min: Number.NaN }), 'a finite min'],
  'a zero point out of range': [
    () => withQuantization('hidden/kernel', { zeroPoint: 128 }),
    'a zero point from -128 to 127, got 128',
  ],
  'a zero point between integers': [
    () => withQuantization('hidden/kernel', { zeroPoint: 0.5 }),
    'a zero point from -128 to 127, got 0.5',
  ],
};

test.each(Object.entries(REFUSED))(
  'trainSparseDiff() refuses a device with %s before it trains',
  async (_name, [device, message]) => {
    const steps: number[] = [];
    const run = trainSparseDiff({ ...options(device()), onStep: ({ done: step }) => steps.push(step) });
    await expect(run).rejects.toThrow(TypeError);
    await expect(run).rejects.toThrow(message);
    expect(steps).toEqual([]);
  },
);

test('trainHashDiff() refuses float buckets for integers', async () => {
  const run = trainHashDiff({ ...options(inInt8()), coding: 'float' });
  await expect(run).rejects.toThrow('float buckets cannot be added to the integers of "hidden/kernel"');
});
