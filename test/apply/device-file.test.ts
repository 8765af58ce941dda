import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundleDeviceFile } from '../../scripts/device-file.js';
import type * as Apply from '../../src/entries/apply.js';
import type * as Root from '../../src/index.js';
import {
  type DescribedModel,
  goldenCases,
  goldenFacts,
  goldenModel,
  goldenPayload,
} from '../golden/facts.js';
import { expectSameModel } from '../support.js';

const folder = mkdtempSync(join(tmpdir(), 'neural-diff-device-file-'));
let device: typeof Root & typeof Apply;

beforeAll(async () => {
  const { bytes } = await bundleDeviceFile();
  const path = join(folder, 'neural-diff-device.min.js');
  writeFileSync(path, bytes);
  device = await import(pathToFileURL(path).href);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('the device file is one module: it imports nothing', async () => {
  const { bytes, integrity } = await bundleDeviceFile();
  expect(new TextDecoder().decode(bytes)).not.toMatch(/\bfrom\s*["']|\bimport\s*["'(]/);
  expect(integrity).toMatch(/^sha384-[A-Za-z0-9+/]{64}$/);
});

test.each(goldenCases('accept'))('the device file applies the golden payload "%s"', async (name) => {
  const { base, next } = goldenFacts<{ base: DescribedModel; next: DescribedModel }>(`accept/${name}`);
  const model = goldenModel(base);
  const result = await device.applyPayload(device.openMemoryStore(model), goldenPayload(`accept/${name}`));
  expect(result.fingerprint).toBe(next.fingerprint);
  expectSameModel(model, goldenModel(next));
});

test.each(goldenCases('refuse'))('the device file refuses the golden payload "%s"', async (name) => {
  const { code, model } = goldenFacts<{ code: string; model: DescribedModel }>(`refuse/${name}`);
  const store = device.openMemoryStore(goldenModel(model));
  const refusal = await device.applyPayload(store, goldenPayload(`refuse/${name}`)).catch((error) => error);
  expect(refusal).toBeInstanceOf(device.NeuralDiffError);
  expect(refusal.code).toBe(code);
});
