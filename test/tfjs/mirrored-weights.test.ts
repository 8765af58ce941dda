import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { fingerprint } from '../../src/model/fingerprint.js';
import { openMemoryStore } from '../../src/model/store.js';
import type { Model, Tensor } from '../../src/model/tensor.js';
import { packDiff } from '../../src/payload/encode.js';
import { useBackend } from '../../src/tfjs/backend.js';
import { openLiveModel } from '../../src/tfjs/live-store.js';
import { copyWeights, namedWeights } from '../../src/tfjs/weights.js';
import { codeOf } from '../support.js';

type DataSource = { readSync(id: object): Float32Array; read(id: object): Promise<Float32Array> };

let model: tf.Sequential;
beforeEach(async () => {
  await useBackend('cpu');
  const kernelInitializer = tf.initializers.randomNormal({ seed: 3 });
  model = tf.sequential({ layers: [tf.layers.dense({ inputShape: [16], units: 8, kernelInitializer })] });
});
afterEach(() => {
  vi.restoreAllMocks();
  model.dispose();
});

const payloadFor = async () => {
  const base = await copyWeights(namedWeights(model));
  const bias = { kind: 'dense', scale: 0.25, levels: new Int8Array(8).fill(3) } as const;
  return packDiff(base, { ops: [{ ...bias, tensor: base.tensors[1]?.name as string }] });
};

/**
 * The active backend gives out copies, changed ones perhaps, as those do whose memory is a graphics card's.
 */
function giveCopies(change = (values: Float32Array): Float32Array => values): void {
  const backend = tf.backend() as unknown as DataSource;
  const { readSync, read } = backend;
  vi.spyOn(backend, 'readSync').mockImplementation((id) => change(readSync.call(backend, id).slice()));
  vi.spyOn(backend, 'read').mockImplementation(async (id) => change((await read.call(backend, id)).slice()));
}

/** Textures of 16 bits keep no more of a float than this. */
const rounded = (values: Float32Array): Float32Array => {
  const bits = new Uint32Array(values.buffer);
  for (let i = 0; i < bits.length; i++) bits[i] = (bits[i] as number) & 0xffffe000;
  return values;
};

const predict = (): number[] =>
  tf.tidy(() => Array.from((model.predict(tf.ones([1, 16])) as tf.Tensor).dataSync()));

describe('openLiveModel() on a backend that hands out copies', () => {
  test('assigns the tensors that were written, all at flush()', async () => {
    const packed = await payloadFor();
    giveCopies();
    const before = predict();
    const [kernel, bias] = model.weights.map((weight) => weight.read().dataId);
    const seen: number[][] = [];
    const store = openLiveModel(model);
    const flush = store.flush;
    store.flush = () => {
      seen.push(predict());
      return flush();
    };
    const { fingerprint: found } = await applyPayload(store, packed.payload);
    expect(found).toBe(packed.next);
    expect(seen).toEqual([before]);
    expect(predict()).toEqual(before.map((value) => expect.closeTo(value + 0.75, 5)));
    expect(model.weights[0]?.read().dataId).toBe(kernel);
    expect(model.weights[1]?.read().dataId).not.toBe(bias);
    expect(await fingerprint(openLiveModel(model))).toBe(packed.next);
  });

  test.each(['cpu', 'wasm', 'mirrored'] as const)('leaves no tensors behind: %s', async (way) => {
    await useBackend(way === 'wasm' ? 'wasm' : 'cpu');
    const packed = await payloadFor();
    if (way === 'mirrored') giveCopies();
    predict();
    const before = tf.memory().numTensors;
    await applyPayload(openLiveModel(model), packed.payload);
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('openLiveModel() on a backend that gives back other bits', () => {
  test('refuses, unless the weights are handed over', async () => {
    const packed = await payloadFor();
    const weights = openMemoryStore(await copyWeights(namedWeights(model)));
    giveCopies(rounded);
    expect(await codeOf(() => applyPayload(openLiveModel(model), packed.payload))).toBe('unsupported-model');
    const { fingerprint: found } = await applyPayload(openLiveModel(model, { weights }), packed.payload);
    expect(found).toBe(packed.next);
    expect(predict().length).toBe(8);
  });
});

describe('openLiveModel() with weights that are handed over', () => {
  const handOver = async (tensors?: Model['tensors']) =>
    openMemoryStore(tensors ? { tensors } : await copyWeights(namedWeights(model)));

  test('makes all of them count, though another version runs', async () => {
    const { payload, next } = await payloadFor();
    const weights = await handOver();
    model.setWeights(model.getWeights().map((weight) => tf.onesLike(weight)));
    giveCopies();
    expect((await applyPayload(openLiveModel(model, { weights }), payload)).fingerprint).toBe(next);
    expect(await fingerprint(openLiveModel(model))).toBe(next);
  });

  test('refuses those of another model', async () => {
    giveCopies();
    const [kernel, bias] = (await copyWeights(namedWeights(model))).tensors as [Tensor, Tensor];
    const longer = { ...kernel, shape: [32, 8], bytes: new Uint8Array(1_024) };
    for (const tensors of [[kernel], [longer, bias], [{ ...kernel, dtype: 'int32' as const }, bias]]) {
      const store = openLiveModel(model, { weights: await handOver(tensors) });
      expect(await codeOf(() => store.readInto(kernel.name, 0, new Uint8Array(4)))).toBe('wrong-layout');
    }
  });

  test('asks again for those that could not be read', async () => {
    giveCopies();
    const weights = await handOver();
    const readInto = vi.spyOn(weights, 'readInto').mockRejectedValueOnce(new Error('not now'));
    const store = openLiveModel(model, { weights });
    await expect(fingerprint(store)).rejects.toThrow('not now');
    readInto.mockRestore();
    expect(await fingerprint(store)).toEqual(await fingerprint(weights));
  });
});

test('openLiveModel() refuses a backend on which assigned weights do not count', async () => {
  const packed = await payloadFor();
  giveCopies();
  vi.spyOn(tf.Variable.prototype, 'assign').mockImplementation(() => undefined);
  expect(await codeOf(() => applyPayload(openLiveModel(model), packed.payload))).toBe('unsupported-model');
});

test('openLiveModel() finds out that the memory of wasm is not what it was, and assigns', async () => {
  await useBackend('wasm');
  const packed = await payloadFor();
  const backend = tf.backend() as unknown as { typedArrayFromHeap(tensor: tf.Tensor): Float32Array };
  const { typedArrayFromHeap } = backend;
  for (const broken of [(tensor: tf.Tensor) => typedArrayFromHeap.call(backend, tensor).slice(), undefined]) {
    const fresh = tf.tensor(new Float32Array(8));
    namedWeights(model)[1]?.variable.assign(fresh);
    fresh.dispose();
    const before = predict();
    backend.typedArrayFromHeap = broken as typeof typedArrayFromHeap;
    try {
      expect((await applyPayload(openLiveModel(model), packed.payload)).fingerprint).toBe(packed.next);
    } finally {
      backend.typedArrayFromHeap = typedArrayFromHeap;
    }
    expect(predict()).toEqual(before.map((value) => expect.closeTo(value + 0.75, 5)));
  }
});
