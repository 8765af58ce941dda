import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { fingerprint } from '../../src/model/fingerprint.js';
import { openLayersStore } from '../../src/model/layers-store.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import { useBackend } from '../../src/tfjs/backend.js';
import { loadModel, modelFiles } from '../../src/tfjs/layers-files.js';
import { openLiveModel } from '../../src/tfjs/live-store.js';

function convNet(): tf.LayersModel {
  return tf.sequential({
    layers: [
      tf.layers.conv2d({ inputShape: [8, 8, 1], filters: 4, kernelSize: 3, name: 'first' }),
      tf.layers.batchNormalization({ name: 'norm' }),
      tf.layers.flatten(),
      tf.layers.dense({ units: 3, name: 'last' }),
    ],
  });
}

test.each([37, 1000, 4 * 2 ** 20])(
  'modelFiles() in shards of %i bytes loads again with the same weights',
  async (shardBytes) => {
    await useBackend('cpu');
    const model = convNet();
    const files = await modelFiles(model, shardBytes);
    const expected = await fingerprint(openLiveModel(model));
    expect(await fingerprint(await openLayersStore(openMemoryFiles(files)))).toBe(expected);
    const again = await loadModel(openMemoryFiles(files));
    expect(await fingerprint(openLiveModel(again))).toBe(expected);
  },
);

test('loadModel() refuses a topology that cannot be built', async () => {
  await useBackend('cpu');
  const files = await modelFiles(convNet());
  const json = JSON.parse(new TextDecoder().decode(files.get('model.json')));
  json.modelTopology.config.layers[0].class_name = 'NoSuchLayer';
  files.set('model.json', new TextEncoder().encode(JSON.stringify(json)));
  await expect(loadModel(openMemoryFiles(files))).rejects.toMatchObject({ code: 'bad-model' });
});
