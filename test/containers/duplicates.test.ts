import { expect, test } from 'vitest';
import { openContainer } from '../../src/containers/open-container.js';
import { NeuralDiffError } from '../../src/model/errors.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import { concat, seededTensor } from '../support.js';
import { entry, gguf, text, u32, u64 } from './write-gguf.js';
import { buildHdf5 } from './write-hdf5.js';
import { npyFloats, writeZip } from './write-npz.js';
import { externalData, field, onnxModel, tensorProto } from './write-onnx.js';
import { withHeader } from './write-safetensors.js';

const encoder = new TextEncoder();
const kernel = seededTensor('kernel', 'float32', [2]);
const open = (path: string, bytes: Uint8Array, others: Record<string, Uint8Array> = {}) =>
  openContainer(openMemoryFiles(new Map([...Object.entries(others), [path, bytes]])), path);

const safetensors = (header: string): Uint8Array => withHeader(header, new Uint8Array(2));
const tensorAt = (from: number): string => `{"dtype":"U8","shape":[1],"data_offsets":[${from},${from + 1}]}`;
const weight = '{"name":"a","dtype":"uint8","shape":[1]}';
const shard = (name: string): Uint8Array =>
  withHeader(`{"${name}":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, new Uint8Array(1));

/** @returns an HDF5 file with two links of one name, which the library does not write */
function twoLinks(of: 'datasets' | 'groups'): Uint8Array {
  const bytes = buildHdf5((file) => {
    for (const name of ['linka', 'linkb']) {
      if (of === 'datasets') file.create_dataset({ name, data: new Float32Array(2) });
      else file.create_group(name).create_dataset({ name: `in-${name}`, data: new Float32Array(2) });
    }
  });
  const found = Buffer.from(bytes).indexOf('linkb\0');
  bytes[found + 4] = 'a'.charCodeAt(0);
  return bytes;
}

const array = npyFloats(new Float32Array(2));
const one = { name: 'a', sizes: [2], type: 0, bytes: kernel.bytes };

const TWICE: Readonly<Record<string, () => Promise<unknown>>> = {
  'a tensor of safetensors': () =>
    open('m.safetensors', safetensors(`{"a":${tensorAt(0)},"a":${tensorAt(0)},"b":${tensorAt(1)}}`)),
  'a tensor of safetensors, once with an escape': () =>
    open('m.safetensors', safetensors(`{"a":${tensorAt(0)},"\\u0061":${tensorAt(0)},"b":${tensorAt(1)}}`)),
  'the places of a tensor of safetensors': () =>
    open(
      'm.safetensors',
      safetensors(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,1],"data_offsets":[0,2]}}`),
    ),
  'a tensor of an index': () =>
    open('m.index.json', encoder.encode('{"weight_map":{"a":"2.safetensors","a":"1.safetensors"}}'), {
      '1.safetensors': shard('a'),
      '2.safetensors': shard('b'),
    }),
  'the map of an index': () =>
    open('m.index.json', encoder.encode('{"weight_map":{},"weight_map":{"a":"1.safetensors"}}'), {
      '1.safetensors': shard('a'),
    }),
  'a weight of TensorFlow.js': () =>
    open(
      'model.json',
      encoder.encode(`{"weightsManifest":[{"paths":["w"],"weights":[${weight},${weight}]}]}`),
      { w: new Uint8Array(2) },
    ),
  'the manifest of TensorFlow.js': () =>
    open(
      'model.json',
      encoder.encode(`{"weightsManifest":[],"weightsManifest":[{"paths":["w"],"weights":[${weight}]}]}`),
      { w: new Uint8Array(1) },
    ),
  'a tensor of GGUF': () => open('m.gguf', gguf([one, one])),
  'a key of GGUF': () => {
    const alignment = entry('general.alignment', 4, u32(32));
    return open('m.gguf', gguf([one], { entries: [alignment, alignment] }));
  },
  'an initialiser of ONNX': () =>
    open('m.onnx', onnxModel(field(5, tensorProto(kernel)), field(5, tensorProto(kernel)))),
  'the location of external data of ONNX': () => {
    const data = (tensor: typeof kernel) =>
      concat(externalData('other', 0, 8)(tensor), externalData('weights', 0, 8)(tensor));
    return open('m.onnx', onnxModel(field(5, tensorProto(kernel, data))), {
      weights: new Uint8Array(8),
      other: new Uint8Array(8),
    });
  },
  'an array of NumPy': () =>
    open('m.npz', writeZip([1, 2].map(() => ({ name: 'a.npy', bytes: array, method: 0 })))),
  'a dataset of HDF5': () => open('m.h5', twoLinks('datasets')),
  'a group of HDF5': () => open('m.h5', twoLinks('groups')),
};

test.each(Object.entries(TWICE))('openContainer() refuses %s that occurs twice', async (_name, run) => {
  const error = await run().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(NeuralDiffError);
  expect(error).toMatchObject({ code: 'bad-model', message: expect.stringMatching(/twice|duplicate/) });
});

test('openContainer() opens what occurs once, in values as in keys', async () => {
  const header = `{"__metadata__":{"a":"a\\"{","b":"a"},"a":${tensorAt(0)},"b":${tensorAt(1)}}`;
  expect((await open('m.safetensors', safetensors(header))).tensors.length).toBe(2);
  expect(
    (await open('m.gguf', gguf([one], { entries: [concat(text('a'), u32(10), u64(1))] }))).tensors.length,
  ).toBe(1);
});
