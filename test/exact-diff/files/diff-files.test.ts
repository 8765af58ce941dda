import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { FilesForge } from '../../../scripts/forge-files.js';
import { applyPayload } from '../../../src/apply/apply-payload.js';
import { planApply } from '../../../src/apply/plan.js';
import { routeEdge } from '../../../src/chain/plan-route.js';
import { fromHex } from '../../../src/model/bytes.js';
import { fingerprint } from '../../../src/model/fingerprint.js';
import type { Model, Tensor } from '../../../src/model/tensor.js';
import { layoutOf } from '../../../src/payload/header.js';
import { openPayload } from '../../../src/payload/open-payload.js';
import { writeGguf } from '../../containers/write-gguf.js';
import { writeHdf5 } from '../../containers/write-hdf5.js';
import { npyFloats, writeZip } from '../../containers/write-npz.js';
import { externalData, field, node, onnxModel, tensorProto, writeOnnx } from '../../containers/write-onnx.js';
import { writeSafetensors } from '../../containers/write-safetensors.js';
import { writeTflite } from '../../containers/write-tflite.js';
import { forge, headerOf } from '../../payload/forge.js';
import { codeOf, concat, errorOf, seal, seededBytes, seededFloats, seededTensor } from '../../support.js';
import { diffMaps, type FileMap, filesOf, makeFiles, openFileMap } from './make-files.js';

const seeded = (name: string, shape: number[], seed: number): Tensor =>
  seededTensor(name, 'float32', shape, seed);
/** A tensor whose lower bits moved a little. */
function moved(tensor: Tensor, name = tensor.name): Tensor {
  const bytes = tensor.bytes.slice();
  for (let i = 0; i < bytes.length; i += 12) bytes[i] = (bytes[i] as number) ^ 1;
  return { ...tensor, name, bytes };
}

const kept = seeded('a/kernel', [24, 16], 1);
const tuned = seeded('b/kernel', [16, 20], 2);
const renamed = seeded('c/kernel', [30, 9], 3);
const grown = seeded('d/table', [12, 8], 4);
const dropped = seeded('e/old', [7, 3], 5);
const old: Model = { tensors: [kept, tuned, renamed, grown, dropped] };
const next: Model = {
  tensors: [
    kept,
    moved(tuned),
    moved(renamed, 'other'),
    { ...grown, shape: [14, 8], bytes: concat(grown.bytes, seeded('', [2, 8], 6).bytes) },
    seeded('f/new', [5, 5], 7),
  ],
};

const fixture = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(join(import.meta.dirname, '../../containers/files', name)));
const text = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

/** A LayersModel folder whose tensors run over the ends of its shards. */
function layers({ tensors }: Model, shardBytes: number): FileMap {
  const weights = tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
  const bytes = concat(...tensors.map((tensor) => tensor.bytes));
  const shards = Array.from({ length: Math.ceil(bytes.length / shardBytes) }, (_, i) => `shard${i + 1}.bin`);
  const json = text({
    format: 'layers-model',
    modelTopology: {},
    weightsManifest: [{ paths: shards, weights }],
  });
  const parts = shards.map((path, i) => [path, bytes.slice(i * shardBytes, (i + 1) * shardBytes)] as const);
  return new Map([['model.json', json], ...parts]);
}

/** An ONNX model, the larger tensors in a file of their own. */
function external({ tensors }: Model): FileMap {
  let at = 0;
  const protos = tensors.map((tensor, i) => {
    if (i === 0) return field(5, tensorProto(tensor));
    const data = externalData('weights.bin', at, tensor.bytes.length);
    at += tensor.bytes.length;
    return field(5, tensorProto(tensor, data));
  });
  const relu = node('Relu', { inputs: ['x'], outputs: ['y'] });
  const bytes = concat(...tensors.slice(1).map((tensor) => tensor.bytes));
  return filesOf({ 'model.onnx': onnxModel(relu, ...protos), 'weights.bin': bytes });
}

function indexed({ tensors }: Model): FileMap {
  const shards = tensors.map((tensor, i) => [`part-${i % 2}.safetensors`, tensor] as const);
  const map = Object.fromEntries(shards.map(([shard, { name }]) => [name, shard]));
  const of = (shard: string): Uint8Array =>
    writeSafetensors({ tensors: shards.filter(([name]) => name === shard).map(([, tensor]) => tensor) });
  const names = ['part-0.safetensors', 'part-1.safetensors'];
  return new Map([
    ['model.safetensors.index.json', text({ weight_map: map })],
    ...names.map((name) => [name, of(name)] as const),
  ]);
}

const npz = ({ tensors }: Model): Uint8Array =>
  writeZip(
    tensors.map(({ name, bytes }) => ({
      name: `${name.replace('/', '_')}.npy`,
      bytes: npyFloats(new Float32Array(bytes.slice().buffer)),
      method: 0,
    })),
  );

const single = (name: string, write: (model: Model) => Uint8Array): [FileMap, FileMap] => [
  filesOf({ [name]: write(old) }),
  filesOf({ [name]: write(next) }),
];
const fixtures = (from: string, to: string): [FileMap, FileMap] => [
  filesOf({ [from]: fixture(from) }),
  filesOf({ [to]: fixture(to) }),
];

const PAIRS: Record<string, [FileMap, FileMap]> = {
  safetensors: single('model.safetensors', (model) => writeSafetensors(model)),
  'an index of safetensors': [indexed(old), indexed(next)],
  ONNX: single('model.onnx', writeOnnx),
  'ONNX with external data': [external(old), external(next)],
  TFLite: single('model.tflite', writeTflite),
  GGUF: single('model.gguf', writeGguf),
  HDF5: single('model.h5', (model) => writeHdf5(model)),
  NumPy: single('model.npz', npz),
  'a LayersModel': [layers(old, 1_000), layers(next, 900)],
};

describe.each(Object.entries(PAIRS))('diffFiles() of %s', (_, [from, to]) => {
  test('makes the next files byte for byte', async () => {
    const diff = await diffMaps(from, to);
    const { made, store, result } = await makeFiles(from, diff.payload);
    expect(new Map(made)).toEqual(new Map(to));
    expect(result).toMatchObject({ status: 'applied', fingerprint: diff.next });
    expect(await fingerprint(store)).toBe(diff.next);
    expect(diff.payload).toHaveLength(diff.payloadBytes);
  });

  test('keeps equal tensors, and codes the others against those that they match', async () => {
    const { files, payloadBytes } = await diffMaps(from, to);
    expect([files.kept.tensors, files.coded.tensors, files.new.tensors]).toEqual([1, 3, 1]);
    expect(files.kept.bytes).toBe(kept.bytes.length);
    // The new tensor and the rows that a tensor grew by are random.
    expect(payloadBytes).toBeLessThan(1_100);
  });
});

const OTHERS: Record<string, [FileMap, FileMap]> = {
  'archives with compressed arrays': fixtures('model.npz', 'compressed.npz'),
  'HDF5 files of several types': fixtures('types.h5', 'types-latest.h5'),
  'Keras archives, from HDF5': fixtures('model.h5', 'model.keras'),
  'an ONNX file from safetensors': [
    filesOf({ 'model.safetensors': writeSafetensors(old) }),
    filesOf({ 'model.onnx': writeOnnx(next) }),
  ],
  'a folder from a file': [filesOf({ 'model.onnx': writeOnnx(old) }), layers(next, 500)],
  'a file in no known format': [
    filesOf({ 'a.bin': seededBytes(1, 5_000) }),
    filesOf({ 'b.bin': concat(seededBytes(1, 2_000), seededBytes(2, 30), seededBytes(1, 5_000)) }),
  ],
  'a file that begins like ONNX, and is none': [
    filesOf({ 'a.bin': concat([0x08, 7, 0x12], seededBytes(1, 500)) }),
    filesOf({ 'a.bin': concat([0x08, 7, 0x12], seededBytes(2, 500)) }),
  ],
  'a file in no known format from a model': [
    filesOf({ 'model.onnx': writeOnnx(old) }),
    filesOf({ 'b.bin': seededBytes(3, 900) }),
  ],
  'a model from a file in no known format': [
    filesOf({ 'b.bin': seededBytes(3, 900) }),
    filesOf({ 'model.onnx': writeOnnx(old) }),
  ],
};

test.each(Object.entries(OTHERS))('diffFiles() makes %s', async (_, [from, to]) => {
  const { payload } = await diffMaps(from, to);
  expect(new Map((await makeFiles(from, payload)).made)).toEqual(new Map(to));
});

test('diffFiles() carries empty files and files that are no part of the model', async () => {
  const to = new Map([...layers(next, 700), ['vocab.txt', text('words')], ['empty.txt', new Uint8Array(0)]]);
  const { payload, files } = await diffMaps(layers(old, 700), to, ['vocab.txt', 'empty.txt']);
  expect(files.made.map(({ path }) => path).slice(-2)).toEqual(['vocab.txt', 'empty.txt']);
  expect(new Map((await makeFiles(layers(old, 700), payload)).made)).toEqual(to);
});

test('a file in which something was moved takes little', async () => {
  const [from, to] = OTHERS['a file in no known format'] as [FileMap, FileMap];
  expect((await diffMaps(from, to)).payloadBytes).toBeLessThan(220);
});

const [onnx, newer] = PAIRS.ONNX as [FileMap, FileMap];

describe('planApply() of a payload of files', () => {
  test('tells what is made, kept, coded and new, and writes nothing', async () => {
    const { payload, files } = await diffMaps(onnx, newer);
    const { store } = await openFileMap(onnx);
    const plan = await planApply(store, payload);
    const bytes = (newer.get('model.onnx') as Uint8Array).length;
    expect(plan).toMatchObject({ status: 'ready', tensors: [], bytesWritten: bytes, runs: 1 });
    expect(plan.files).toEqual(files);
    expect(files).toMatchObject({ usesBaseFiles: true, kept: { tensors: 1 } });
    expect(plan.files?.made).toMatchObject([{ path: 'model.onnx', bytes }]);
    expect(plan.found).toBe(plan.base);
  });

  test('finds a model that is the next one already', async () => {
    const { payload } = await diffMaps(onnx, newer);
    const plan = await planApply((await openFileMap(newer)).store, payload);
    expect(plan).toMatchObject({ status: 'current', bytesWritten: 0, runs: 0 });
    expect(plan.found).toBe(plan.next);
    expect((await makeFiles(newer, payload)).result.status).toBe('current');
    const again = filesOf({
      'model.onnx': writeOnnx({ tensors: old.tensors.map((tensor) => moved(tensor)) }),
    });
    const same = await diffMaps(onnx, again);
    expect((await planApply((await openFileMap(again)).store, same.payload)).status).toBe('current');
    expect((await makeFiles(again, same.payload)).result.status).toBe('current');
  });
});

describe('applyPayload() of a payload of files', () => {
  test('refuses storage without a second copy, once it is known to fit', async () => {
    const { payload } = await diffMaps(onnx, newer);
    const { store } = await openFileMap(onnx);
    expect(await codeOf(() => applyPayload(store, payload))).toBe('needs-copy');
  });

  test('refuses another model', async () => {
    const { payload } = await diffMaps(onnx, newer);
    const other = filesOf({
      'model.onnx': writeOnnx({ tensors: old.tensors.map((tensor) => moved(tensor)) }),
    });
    expect(await codeOf(() => makeFiles(other, payload))).toBe('wrong-base');
    const fewer = filesOf({ 'model.onnx': writeOnnx({ tensors: old.tensors.slice(1) }) });
    expect(await codeOf(() => makeFiles(fewer, payload))).toBe('wrong-layout');
    expect((await planApply((await openFileMap(fewer)).store, payload)).problem?.code).toBe('wrong-layout');
  });

  test('refuses the weights of the base in another file, where the payload needs the file', async () => {
    const { payload } = await diffMaps(onnx, newer);
    const tensors = old.tensors.map((tensor) => field(5, tensorProto(tensor)));
    const graph = filesOf({
      'model.onnx': onnxModel(node('Abs', { inputs: ['x'], outputs: ['y'] }), ...tensors),
    });
    const error = await errorOf(() => makeFiles(graph, payload));
    expect(error.code).toBe('wrong-base');
    expect(error.message).toContain('the very file that it was made for');
  });

  test('takes the weights of the base from any file, where the payload does not need it', async () => {
    const to = filesOf({ 'b.bin': seededBytes(3, 900) });
    const { payload } = await diffMaps(filesOf({ 'model.safetensors': writeSafetensors(old) }), to);
    expect((await openPayload(payload)).files?.length).toBeGreaterThan(900);
    expect(new Map((await makeFiles(onnx, payload)).made)).toEqual(to);
  });

  test('refuses a result whose fingerprint is not the stated one', async () => {
    const { payload } = await diffMaps(onnx, newer);
    const { header } = await openPayload(payload);
    const changed = payload.slice(0, -10);
    const at = Buffer.from(changed).indexOf(Buffer.from(header.next, 'hex'));
    changed[at] = (changed[at] as number) ^ 1;
    expect(await codeOf(async () => makeFiles(onnx, await seal(changed)))).toBe('result-mismatch');
  });

  test('refuses a file whose SHA-256 is not the stated one', async () => {
    const { store } = await openFileMap(onnx);
    const facts = { base: fromHex(await fingerprint(store)), next: new Uint8Array(16) };
    const header = [facts.base, facts.next, await layoutOf(store.tensors), [9], {}];
    const files = [{ path: 'm', bytes: 0 }];
    const record = new FilesForge().files(files).base().tensors([]).finish();
    const payload = await forge(header, [record]);
    expect(await codeOf(() => makeFiles(onnx, payload))).toBe('result-mismatch');
    expect((await planApply(store, payload)).problem?.code).toBe('result-mismatch');
  });

  test('refuses a record of files that is not the first, or not the only one', async () => {
    const record = new FilesForge()
      .files([{ path: 'm', bytes: 0 }])
      .base()
      .tensors([])
      .finish();
    for (const kinds of [
      [9, 9],
      [3, 9],
    ])
      expect(
        await codeOf(async () => openPayload(await forge(await headerOf({ kinds }), [record, record]))),
      ).toBe('corrupt-payload');
  });
});

test('routeEdge() leaves a payload of files out of what is composed', async () => {
  const { payload, base, next } = await diffMaps(onnx, newer);
  expect(await routeEdge('x', payload)).toEqual({ name: 'x', base, next, bytes: payload.length });
});

test('a tensor without a counterpart may be larger than all of the base', async () => {
  const values = new Float32Array(300_000);
  values.set(seededFloats(5, 1_000), 270_000);
  const large = { ...seeded('large', [1_000, 300], 1), bytes: new Uint8Array(values.buffer) };
  const to = filesOf({ 'model.onnx': writeOnnx({ tensors: [kept, large] }) });
  const { payload } = await diffMaps(onnx, to);
  expect(new Map((await makeFiles(onnx, payload)).made)).toEqual(to);
});
