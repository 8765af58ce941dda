import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { diffModels } from '../../src/exact-diff/diff-stores.js';
import { copyModel } from '../../src/model/store.js';
import { openModel } from '../../src/node/open-model.js';
import { openBase } from '../../src/recipe/open-base.js';
import { writeGraphFolder, writeOnnxFile } from '../cli/networks.js';
import { writeSafetensors } from '../containers/write-safetensors.js';
import { codeOf, sampleModel } from '../support.js';

const folder = mkdtempSync(join(tmpdir(), 'neural-diff-open-base-'));
const at = (...names: string[]): string => join(folder, ...names);

const kindOf = async (base: string): Promise<string> => {
  const { kind, store } = await openBase({ base });
  await store.close();
  return kind;
};

/** Writes a folder with nothing but a `model.json` of one weight. */
function writeJson(name: string, json: object): string {
  mkdirSync(at(name));
  const weights = [{ name: 'w', shape: [1], dtype: 'float32' }];
  writeFileSync(
    at(name, 'model.json'),
    JSON.stringify({ ...json, weightsManifest: [{ paths: ['w.bin'], weights }] }),
  );
  writeFileSync(at(name, 'w.bin'), new Uint8Array(4));
  return at(name);
}

test('openBase() recognises the kind of a model by its content', async () => {
  writeOnnxFile(at('a.onnx'));
  writeOnnxFile(at('split', 'model.onnx'), { external: 'data.bin' });
  writeGraphFolder(at('graph'));
  expect(await kindOf(at('a.onnx'))).toBe('onnx');
  expect(await kindOf(at('split'))).toBe('onnx');
  expect(await kindOf(at('graph'))).toBe('graph-model');
  expect(await kindOf(at('graph', 'model.json'))).toBe('graph-model');
  expect(await kindOf(writeJson('old-graph', { modelTopology: { node: [] } }))).toBe('graph-model');
  expect(await kindOf(writeJson('layers', { format: 'layers-model', modelTopology: {} }))).toBe(
    'layers-model',
  );
  expect(await kindOf(writeJson('old-layers', { modelTopology: { model_config: {} } }))).toBe('layers-model');
});

test('openBase() applies a chain in memory alone, also to external data', async () => {
  writeOnnxFile(at('chained', 'model.onnx'), { external: 'data.bin' });
  const base = at('chained');
  const before = readFileSync(at('chained', 'data.bin'));
  const opened = await openModel(base);
  const model = await copyModel(opened);
  const next = { tensors: model.tensors.map((tensor) => ({ ...tensor, bytes: tensor.bytes.slice() })) };
  const [first] = next.tensors;
  first?.bytes.set([1, 2, 3]);
  const { payload } = await diffModels(model, next);
  writeFileSync(at('update.ndiff'), payload);
  await opened.close();
  const { store, files } = await openBase({ base, chain: [at('update.ndiff')] });
  expect(await copyModel(store)).toEqual(next);
  const data = new Uint8Array(before.length);
  await files.readInto('data.bin', 0, data);
  expect(Buffer.compare(data, before)).not.toBe(0);
  await store.close();
  expect(readFileSync(at('chained', 'data.bin'))).toEqual(before);
  expect(await codeOf(() => openBase({ base, chain: [at('update.ndiff'), at('update.ndiff')] }))).toBe(
    'broken-chain',
  );
});

test('openBase() refuses weights without a graph', async () => {
  writeFileSync(at('a.safetensors'), writeSafetensors(sampleModel()));
  await expect(openBase({ base: at('a.safetensors') })).rejects.toMatchObject({
    code: 'unsupported-model',
    message: expect.stringContaining(
      'weights alone have no graph: expected a LayersModel, GraphModel or ONNX file',
    ),
  });
});
