import { beforeAll, expect, test } from 'vitest';
import { copyPatched } from '../../../src/report/measure/apply-cost.js';
import { measureReport } from '../../../src/report/measure/measure-report.js';
import type { MeasureOptions } from '../../../src/report/measure/options.js';
import { recipe } from '../../cli/command.js';
import { Workshop } from './fixtures.js';

const shop = new Workshop();
let base: string;
let near: string;
let wider: string;

const measure = (options: Partial<MeasureOptions>) =>
  measureReport({ base, payloads: [], recipe: recipe('points'), seed: 3, applyRuns: 0, ...options });

beforeAll(async () => {
  base = await shop.saveSmall('base');
  near = await shop.saveSmall('near', { seed: 2 });
  wider = await shop.saveSmall('wider', { seed: 3, hidden: 40 });
});

test('measureReport() measures a payload that makes new files like the model that it makes', async () => {
  const files = await shop.files('files.ndiff', base, wider);
  const patch = await shop.exact('patch.ndiff', base, near);
  const measured = await measure({ payloads: [files, patch], next: wider });
  const [made, patched] = measured.candidates;
  expect(made?.next).toBe(measured.model.next);
  expect(made?.quality).toEqual({ ...measured.full?.quality, classes: made?.quality?.classes });
  expect(made?.versusFull).toMatchObject({ gap: { value: 0 }, agreement: { value: 1 } });
  expect(patched?.quality?.accuracy).toEqual(
    (await measure({ payloads: [patch] })).candidates[0]?.quality?.accuracy,
  );
  expect(measured.ways.find(({ name }) => name === 'exact diff of files')?.bytes).toBe(made?.bytes);
  expect(measured.ways.find(({ name }) => name === 'full model, float32')?.bytes).toBe(
    4 * (2 * 64 + 64 + 64 * 40 + 40 + 40 * 3 + 3),
  );
});

test('measureReport() compares the tensors of new files with those that they are coded against', async () => {
  const files = await shop.files('again.ndiff', base, wider);
  const [candidate] = (await measure({ payloads: [files], recipe: undefined })).candidates;
  const { layers = [], sharedBytes = 0, bytes, kinds } = candidate ?? {};
  expect(kinds).toContain('files');
  expect(layers.reduce((sum, layer) => sum + layer.bytes, sharedBytes)).toBe(bytes);
  const kernel = layers.find(({ tensor }) => tensor === 'middle/kernel');
  expect(kernel).toMatchObject({ shape: [64, 40], weights: 2_560, dtype: 'float32' });
  expect(kernel?.changed).toBeGreaterThan(2_500);
  expect(kernel?.magnitude).toBeGreaterThan(0);
  // Biases are zeros in both models.
  expect(layers.find(({ tensor }) => tensor === 'hidden/bias')?.changed).toBe(0);
});

test('measureReport() makes new files of a base that devices have patched', async () => {
  const patch = await shop.exact('first.ndiff', base, near);
  const { from } = await copyPatched({ base, chain: [patch] }, shop.at('device'));
  const onward = await shop.files('onward.ndiff', from, wider);
  const { candidates, full, model } = await measure({ chain: [patch], payloads: [onward], next: wider });
  expect(candidates[0]?.quality?.accuracy).toEqual(full?.quality?.accuracy);
  expect(candidates[0]?.next).toBe(model.next);
});
