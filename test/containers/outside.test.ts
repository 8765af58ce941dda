import { expect, test } from 'vitest';
import { openContainer } from '../../src/containers/open-container.js';
import { compareOutside } from '../../src/containers/outside.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import { openMemoryStore } from '../../src/model/store.js';
import { totalBytes } from '../../src/model/tensor.js';
import { codeOf, concat, sampleModel, seededBytes, seededTensor } from '../support.js';
import { field, node, onnxModel, tensorProto } from './write-onnx.js';
import { writeSafetensors } from './write-safetensors.js';

const kernel = seededTensor('kernel', 'float32', [3, 4]);
const other = { ...kernel, bytes: seededBytes(9, 48) };
const open = (path: string, bytes: Uint8Array, more: Record<string, Uint8Array> = {}) =>
  openContainer(openMemoryFiles(new Map([...Object.entries(more), [path, bytes]])), path);
const openOnnx = (...graph: Uint8Array[]) => open('model.onnx', onnxModel(...graph));
const relu = (output: string): Uint8Array => node('Relu', { inputs: ['x'], outputs: [output] });
const encoder = new TextEncoder();

test('outside() of ONNX tells graphs apart, not weights', async () => {
  const base = await openOnnx(relu('y'), field(5, tensorProto(kernel)));
  const tuned = await openOnnx(relu('y'), field(5, tensorProto(other)));
  const renamed = await openOnnx(relu('z'), field(5, tensorProto(kernel)));
  expect(await compareOutside(base, tuned)).toBe('equal');
  expect(await compareOutside(base, renamed)).toBe('different');
  const { format, bytes } = (await base.outside?.()) ?? {};
  expect({ format, bytes }).toEqual({
    format: 'onnx',
    bytes: onnxModel(relu('y'), field(5, tensorProto(kernel))).length - 48,
  });
});

test('outside() of ONNX does not count weights that are stored as varints', async () => {
  const varints = (value: number) => tensorProto({ ...kernel, shape: [] }, () => field(5, value), 6);
  const [one, two] = [await openOnnx(field(5, varints(1))), await openOnnx(field(5, varints(2)))];
  expect(await compareOutside(one, two)).toBe('equal');
});

test('outside() of safetensors counts metadata, but neither the order nor the places of tensors', async () => {
  const model = sampleModel();
  const turned = { tensors: [...model.tensors].reverse() };
  const base = await open('a', writeSafetensors(model));
  expect(await compareOutside(base, await open('a', writeSafetensors(turned)))).toBe('equal');
  const header = (metadata: string) => {
    const text = encoder.encode(
      `{"__metadata__":{"note":"${metadata}"},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`,
    );
    return concat(new Uint8Array(BigUint64Array.of(BigInt(text.length)).buffer), text, [1]);
  };
  expect(await compareOutside(await open('a', header('v1')), await open('a', header('v1')))).toBe('equal');
  expect(await compareOutside(await open('a', header('v1')), await open('a', header('v2')))).toBe(
    'different',
  );
});

test('outside() of an index counts the metadata of index and shards, not which shard has a tensor', async () => {
  const [a, b] = ['a', 'b'].map((name) => ({ ...kernel, name }));
  const indexed = (shards: Record<string, (typeof kernel)[]>, note: string) => {
    const map = Object.entries(shards).flatMap(([shard, tensors]) =>
      tensors.map(({ name }) => [name, shard]),
    );
    const index = JSON.stringify({ metadata: { note }, weight_map: Object.fromEntries(map) });
    const files = Object.entries(shards).map(([shard, tensors]) => [shard, writeSafetensors({ tensors })]);
    return open('m.index.json', encoder.encode(index), Object.fromEntries(files));
  };
  const one = await indexed({ '1.safetensors': [a, b] as never }, 'x');
  const two = await indexed({ '1.safetensors': [b] as never, '2.safetensors': [a] as never }, 'x');
  expect(await compareOutside(one, two)).toBe('equal');
  expect(await compareOutside(one, await indexed({ '1.safetensors': [a, b] as never }, 'y'))).toBe(
    'different',
  );
});

test('outside() of a LayersModel counts the topology, not the weights manifest', async () => {
  const folder = (topology: unknown, shard: string) => {
    const weights = [{ name: 'kernel', dtype: 'float32', shape: [3, 4] }];
    const json = { modelTopology: topology, weightsManifest: [{ paths: [shard], weights }] };
    return open('model.json', encoder.encode(JSON.stringify(json)), { [shard]: kernel.bytes });
  };
  const base = await folder({ a: 1, b: 2 }, 'w.bin');
  expect(await compareOutside(base, await folder({ b: 2, a: 1 }, 'v.bin'))).toBe('equal');
  expect(await compareOutside(base, await folder({ a: 1, b: 3 }, 'w.bin'))).toBe('different');
  const store = await open(
    'model.json',
    encoder.encode(
      `{"modelTopology":${'['.repeat(200_000)}${']'.repeat(200_000)},"weightsManifest":[{"paths":["w"],"weights":[{"name":"k","dtype":"uint8","shape":[1]}]}]}`,
    ),
    { w: Uint8Array.of(1) },
  );
  expect(await codeOf(async () => void (await store.outside?.()))).toBe('bad-model');
});

test('compareOutside() does not compare formats with each other, or models in memory', async () => {
  const onnx = await openOnnx(field(5, tensorProto(kernel)));
  const tensors = await open('a', writeSafetensors({ tensors: [kernel] }));
  expect(await compareOutside(onnx, tensors)).toBe('unknown');
  expect(await compareOutside(onnx, openMemoryStore({ tensors: [kernel] }))).toBe('unknown');
  expect(totalBytes(onnx.tensors)).toBe(48);
});
