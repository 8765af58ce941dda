import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { fingerprint } from '../../src/model/fingerprint.js';
import { openMemoryStore } from '../../src/model/store.js';
import { packDiff } from '../../src/payload/encode.js';
import { useBackend } from '../../src/tfjs/backend.js';
import { openLiveModel } from '../../src/tfjs/live-store.js';
import { copyWeights, namedWeights } from '../../src/tfjs/weights.js';

/** One model for each kind of layer whose packed weights XNNPACK keeps. */
const LAYERS: Readonly<Record<string, () => tf.Sequential>> = {
  dense: () =>
    tf.sequential({ layers: [tf.layers.dense({ inputShape: [16], units: 8, ...seeded('kernel') })] }),
  conv2d: () =>
    tf.sequential({
      layers: [tf.layers.conv2d({ inputShape: [8, 8, 4], filters: 8, kernelSize: 3, ...seeded('kernel') })],
    }),
  depthwiseConv2d: () =>
    tf.sequential({
      layers: [tf.layers.depthwiseConv2d({ inputShape: [8, 8, 4], kernelSize: 3, ...seeded('depthwise') })],
    }),
};

function seeded(what: 'kernel' | 'depthwise') {
  return { [`${what}Initializer`]: tf.initializers.randomNormal({ seed: 3 }) };
}

/** Changes every weight of a model's kernel and its bias. */
async function payloadFor(model: tf.LayersModel) {
  const base = await copyWeights(namedWeights(model));
  const [kernel, bias] = base.tensors as [(typeof base.tensors)[0], (typeof base.tensors)[0]];
  return packDiff(base, {
    ops: [
      {
        kind: 'hash',
        tensors: [{ tensor: kernel.name, scale: 0.5 }],
        seed: 9,
        block: 4,
        buckets: { coding: 'levels', values: Int8Array.from([1, -1, 1, 1, -1]) },
      },
      {
        kind: 'dense',
        tensor: bias.name,
        scale: 0.25,
        levels: new Int8Array(bias.shape[0] as number).fill(3),
      },
    ],
  });
}

function predict(model: tf.LayersModel): number[] {
  return tf.tidy(() => {
    const shape = [2, ...(model.inputs[0] as tf.SymbolicTensor).shape.slice(1)] as number[];
    const x = tf.randomNormal(shape, 0, 1, 'float32', 11);
    return Array.from((model.predict(x) as tf.Tensor).dataSync());
  });
}

test('openLiveModel() on wasm leaves clones of the weights as they were', async () => {
  await useBackend('wasm');
  const model = (Object.values(LAYERS)[0] as () => tf.Sequential)();
  const clones = model.getWeights().map((weight) => weight.clone());
  const before = clones.map((clone) => clone.dataSync());
  const packed = await payloadFor(model);
  const result = await applyPayload(openLiveModel(model), packed.payload);
  expect(result.fingerprint).toBe(packed.next);
  expect(clones.map((clone) => clone.dataSync())).toEqual(before);
  tf.dispose(clones);
  model.dispose();
});

describe.each(['cpu', 'wasm'] as const)('openLiveModel() on %s', (backend) => {
  test.each(Object.keys(LAYERS))('patches a %s layer so that its predictions change', async (layer) => {
    await useBackend(backend);
    const model = (LAYERS[layer] as () => tf.Sequential)();
    const before = predict(model);
    const ids = model.weights.map((weight) => weight.read().dataId);
    const packed = await payloadFor(model);
    const result = await applyPayload(openLiveModel(model), packed.payload);
    expect(result.fingerprint).toBe(packed.next);
    expect(model.weights.map((weight) => weight.read().dataId)).toEqual(ids);

    const other = (LAYERS[layer] as () => tf.Sequential)();
    other.setWeights(
      packed.model.tensors.map((tensor) =>
        tf.tensor(new Float32Array(tensor.bytes.buffer), [...tensor.shape]),
      ),
    );
    const after = predict(model);
    expect(after).toEqual(predict(other));
    expect(after).not.toEqual(before);
  });

  test('has the fingerprint of the same weights in memory', async () => {
    await useBackend(backend);
    const model = (LAYERS.conv2d as () => tf.Sequential)();
    const inMemory = await fingerprint(openMemoryStore(await copyWeights(namedWeights(model))));
    expect(await fingerprint(openLiveModel(model))).toBe(inMemory);
  });

  test('names the weights of every copy of a model alike', async () => {
    await useBackend(backend);
    const copies = [0, 1].map(() =>
      tf.sequential({ layers: [tf.layers.dense({ inputShape: [2], units: 1, name: 'only' })] }),
    );
    const names = copies.map((model) => openLiveModel(model).tensors.map(({ name }) => name));
    expect(names).toEqual([
      ['only/kernel', 'only/bias'],
      ['only/kernel', 'only/bias'],
    ]);
    expect(copies[0]?.weights[0]?.name).not.toBe(copies[1]?.weights[0]?.name);
  });
});

test('openLiveModel() shows why flush matters: without it wasm predicts with weights packed before', async () => {
  await useBackend('wasm');
  const model = (LAYERS.dense as () => tf.Sequential)();
  const before = predict(model);
  const store = openLiveModel(model);
  const [kernel] = store.tensors as [(typeof store.tensors)[0]];
  const ones = new Uint8Array(new Float32Array(16 * 8).fill(1).buffer);
  await store.write(kernel.name, 0, ones);
  expect(predict(model)).toEqual(before);
  await store.flush();
  expect(predict(model)).not.toEqual(before);
});
