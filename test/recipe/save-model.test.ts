import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fingerprint } from '../../src/model/fingerprint.js';
import { openModel } from '../../src/node/open-model.js';
import { saveModel } from '../../src/recipe/save-model.js';
import { useBackend } from '../../src/tfjs/backend.js';
import { openLiveModel } from '../../src/tfjs/live-store.js';

const home = mkdtempSync(join(tmpdir(), 'neural-diff-save-'));
const at = (...names: string[]): string => join(home, ...names);
const dense = (): tf.LayersModel =>
  tf.sequential({ layers: [tf.layers.dense({ inputShape: [4], units: 2 })] });

beforeAll(() => useBackend('cpu'));
afterAll(() => rmSync(home, { recursive: true }));

async function savedName(folder: string): Promise<string> {
  const store = await openModel(folder);
  const name = await fingerprint(store);
  await store.close();
  return name;
}

test('saveModel() writes a folder that has the same weights, and makes the folders above', async () => {
  const model = dense();
  await saveModel(model, at('models', 'v1'));
  expect(readdirSync(at('models', 'v1')).sort()).toEqual(['group1-shard1of1.bin', 'model.json']);
  expect(readdirSync(at('models'))).toEqual(['v1']);
  expect(await savedName(at('models', 'v1'))).toBe(await fingerprint(openLiveModel(model)));
});

test('saveModel() replaces a model only when asked to', async () => {
  const [first, second] = [dense(), dense()];
  await saveModel(first, at('kept'));
  await expect(saveModel(second, at('kept'))).rejects.toMatchObject({ code: 'output-exists' });
  expect(await savedName(at('kept'))).toBe(await fingerprint(openLiveModel(first)));
  await saveModel(second, at('kept'), { force: true });
  expect(await savedName(at('kept'))).toBe(await fingerprint(openLiveModel(second)));
});

test('saveModel() never replaces a folder with other files', async () => {
  mkdirSync(at('notes'));
  writeFileSync(at('notes', 'notes.txt'), 'keep me');
  const saving = saveModel(dense(), at('notes'), { force: true });
  await expect(saving).rejects.toMatchObject({
    code: 'output-exists',
    message: expect.stringContaining('notes.txt'),
  });
  expect(readdirSync(at('notes'))).toEqual(['notes.txt']);
  const inFile = saveModel(dense(), at('notes', 'notes.txt'), { force: true });
  await expect(inFile).rejects.toMatchObject({ code: 'file-not-found' });
});

test('saveModel() leaves nothing behind when the model cannot be saved', async () => {
  const broken = { save: () => Promise.reject(new Error('no')) } as unknown as tf.LayersModel;
  await expect(saveModel(broken, at('broken'))).rejects.toThrow('no');
  expect(readdirSync(home).filter((name) => name.includes('broken'))).toEqual([]);
});
