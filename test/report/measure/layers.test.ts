import { expect, test } from 'vitest';
import { diffModels } from '../../../src/exact-diff/diff-stores.js';
import { floatsOf } from '../../../src/model/float16.js';
import { openMemoryStore } from '../../../src/model/store.js';
import { DTYPES, elementCount, type Model, type Tensor } from '../../../src/model/tensor.js';
import type { Diff } from '../../../src/payload/diff.js';
import { openPayload } from '../../../src/payload/open-payload.js';
import { measureLayers } from '../../../src/report/measure/layers.js';
import { concat, pack, sampleModel, seededBytes, seededTensor } from '../../support.js';

const base = sampleModel();

const DIFFS: Readonly<Record<string, Diff>> = {
  sparse: {
    ops: [
      sparse('conv/bias', [0, 3], [5, -2]),
      sparse('conv/kernel', [1, 9, 30, 71], [1, 1, -3, 2]),
      sparse('half', [0, 34], [1, 1]),
    ],
  },
  hash: {
    ops: [
      {
        kind: 'hash',
        tensors: [
          { tensor: 'brain', scale: 0.5 },
          { tensor: 'conv/kernel', scale: 0.25 },
        ],
        seed: 7,
        block: 2,
        buckets: { coding: 'levels', values: Int8Array.of(-1, 0, 1, 1) },
      },
      { kind: 'dense', tensor: 'conv/bias', levels: Int8Array.of(1, 0, -2, 3), scale: 0.125 },
    ],
  },
  'hash of one tensor': {
    ops: [
      {
        kind: 'hash',
        tensors: [{ tensor: 'conv/kernel', scale: 0.25 }],
        seed: 7,
        block: 1,
        buckets: { coding: 'float', values: Float32Array.of(0.5, 1e-30) },
      },
    ],
  },
  exact: {
    ops: [
      { kind: 'exact', tensor: 'brain', positions: Uint32Array.of(4), levels: Int32Array.of(-1) },
      { kind: 'exact', tensor: 'bytes', positions: Uint32Array.of(0, 17), levels: Int32Array.of(1, 2) },
      { kind: 'exact', tensor: 'ids', positions: Uint32Array.of(5), levels: Int32Array.of(99) },
      { kind: 'set', tensor: 'table', bytes: seededBytes(5, 40) },
    ],
  },
  'several ops of a tensor': {
    ops: [sparse('conv/kernel', [1, 2], [4, 4]), sparse('conv/kernel', [2, 5], [1, 1])],
  },
  nothing: { ops: [] },
};

function sparse(tensor: string, positions: number[], levels: number[]): Diff['ops'][number] {
  return {
    kind: 'sparse',
    tensor,
    positions: Uint32Array.from(positions),
    levels: Int16Array.from(levels),
    scale: 0.25,
  };
}

/** What is looked at element by element, byte by byte. */
function changedIn(before: Tensor, after: Tensor): number {
  const size = DTYPES[before.dtype].bytes;
  return Array.from({ length: elementCount(before) }, (_, i) => i * size).filter(
    (start) =>
      `${before.bytes.subarray(start, start + size)}` !== `${after.bytes.subarray(start, start + size)}`,
  ).length;
}

function numbersOf(tensor: Tensor): number[] {
  if (DTYPES[tensor.dtype].kind === 'float') return [...floatsOf(tensor)];
  const { buffer } = tensor.bytes.slice();
  return [...new { int8: Int8Array, uint8: Uint8Array, int32: Int32Array }[tensor.dtype as 'int8'](buffer)];
}

const rootMeanSquare = (values: number[]): number =>
  Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0) / Math.max(1, values.length));

async function layersOf(model: Model, payload: Uint8Array) {
  const opened = await openPayload(payload);
  return measureLayers(openMemoryStore(model), { ...opened, payloadBytes: payload.length });
}

test.each(Object.keys(DIFFS))('measureLayers() agrees with a byte-by-byte comparison: %s', async (name) => {
  const { payload, next } = await pack(base, DIFFS[name] as Diff);
  const { layers, sharedBytes } = await layersOf(base, payload);
  expect(layers.map(({ tensor }) => tensor)).toEqual(base.tensors.map((tensor) => tensor.name));
  base.tensors.forEach((before, i) => {
    const after = next.tensors[i] as Tensor;
    const layer = layers[i] as (typeof layers)[number];
    const [from, to] = [numbersOf(before), numbersOf(after)];
    expect(layer).toMatchObject({ dtype: before.dtype, shape: before.shape, weights: elementCount(before) });
    expect(layer.changed).toBe(changedIn(before, after));
    expect(layer.magnitude).toBeCloseTo(rootMeanSquare(from), 9);
    expect(layer.change).toBeCloseTo(rootMeanSquare(to.map((value, j) => value - (from[j] as number))), 9);
  });
  const own = layers.reduce((sum, { bytes }) => sum + bytes, 0);
  expect(own + sharedBytes).toBe(payload.length);
  expect(sharedBytes).toBeGreaterThan(0);
});

test('measureLayers() orders kinds by bytes', async () => {
  const { payload } = await pack(base, DIFFS.exact as Diff);
  expect((await layersOf(base, payload)).kinds).toEqual(['set', 'exact']);
  expect((await layersOf(base, (await pack(base, { ops: [] })).payload)).kinds).toEqual([]);
});

test('measureLayers() attributes records of several tensors by the bytes read for each', async () => {
  const { payload } = await pack(base, DIFFS.hash as Diff);
  const { records } = await openPayload(payload);
  const bytesOf = (layers: Awaited<ReturnType<typeof layersOf>>['layers']) =>
    Object.fromEntries(layers.filter(({ bytes }) => bytes > 0).map(({ tensor, bytes }) => [tensor, bytes]));
  const dense = records.find(({ kind }) => kind === 'dense');
  expect(bytesOf((await layersOf(base, payload)).layers)).toEqual({ 'conv/bias': dense?.bytes.length });
  const one = await pack(base, DIFFS['hash of one tensor'] as Diff);
  const [record] = (await openPayload(one.payload)).records;
  expect(bytesOf((await layersOf(base, one.payload)).layers)).toEqual({
    'conv/kernel': record?.bytes.length,
  });
  const several = await pack(base, DIFFS.sparse as Diff);
  const { layers } = await layersOf(base, several.payload);
  const [shared] = (await openPayload(several.payload)).records;
  const total = Object.values(bytesOf(layers)).reduce((sum, bytes) => sum + bytes, 0);
  expect(total).toBe(shared?.bytes.length);
});

test('measureLayers() splits a segment of a delta record among its tensors by their weights', async () => {
  const tensors = [seededTensor('a', 'float32', [2_000]), seededTensor('b', 'float32', [1_000])];
  tensors.push(seededTensor('c', 'float32', [6_000]));
  const next = {
    tensors: tensors.map((each) => ({
      ...each,
      bytes: each.bytes.map((byte, i) => (i % 4 > 1 ? byte : byte ^ ((i * 37) >> 3))),
    })),
  };
  const { payload } = await diffModels({ tensors }, next);
  const { layers, sharedBytes, kinds } = await layersOf({ tensors }, payload);
  const [a, b, c] = layers.map(({ bytes }) => bytes) as [number, number, number];
  expect(kinds).toEqual(['delta']);
  expect(Math.abs(a - 2 * b)).toBeLessThan(2);
  expect(Math.min(b, c)).toBeGreaterThan(100);
  expect(a + b + c + sharedBytes).toBe(payload.length);
});

test('measureLayers() reads large tensors in chunks, and skips weights that are not finite', async () => {
  const large = seededTensor('large', 'float32', [600_000]);
  new DataView(large.bytes.buffer).setFloat32(0, Number.NaN, true);
  const positions = Uint32Array.of(1, 300_000, 599_999);
  const op = {
    kind: 'sparse',
    tensor: 'large',
    positions,
    levels: Int16Array.of(8, 8, 8),
    scale: 1,
  } as const;
  const model = { tensors: [large] };
  const { payload, next } = await pack(model, { ops: [op] });
  const [layer] = (await layersOf(model, payload)).layers;
  expect(layer?.changed).toBe(3);
  const from = numbersOf(large).slice(1);
  const to = numbersOf(next.tensors[0] as Tensor).slice(1);
  expect(layer?.magnitude).toBeCloseTo(rootMeanSquare(from), 9);
  expect(layer?.change).toBeCloseTo(rootMeanSquare(to.map((value, i) => value - (from[i] as number))), 9);
});

test('measureLayers() counts integers as the weights they represent', async () => {
  const tensor: Tensor = { name: 'q', dtype: 'uint8', shape: [2, 2], bytes: Uint8Array.of(10, 20, 30, 40) };
  const op = { kind: 'exact', tensor: 'q', positions: Uint32Array.of(1), levels: Int32Array.of(4) } as const;
  const { payload } = await pack({ tensors: [tensor] }, { ops: [op] });
  const opened = { ...(await openPayload(payload)), payloadBytes: payload.length };
  const measured = async (quantization: object) => {
    const store = { ...openMemoryStore({ tensors: [tensor] }), quantization: new Map([['q', quantization]]) };
    return (await measureLayers(store as Parameters<typeof measureLayers>[0], opened)).layers[0];
  };
  const plain = await measured({ scale: 0.5, min: -10 });
  expect(plain?.change).toBeCloseTo(rootMeanSquare([0, 2, 0, 0]), 9);
  expect(plain?.magnitude).toBeCloseTo(rootMeanSquare([-5, 0, 5, 10]), 9);
  const byColumn = await measured({ scale: Float32Array.of(1, 2), zeroPoint: 10 });
  expect(byColumn?.magnitude).toBeCloseTo(rootMeanSquare([0, 20, 20, 60]), 9);
});

test('measureLayers() stops on an aborted signal, and detects corrupt payloads', async () => {
  const { payload } = await pack(base, DIFFS.sparse as Diff);
  const opened = { ...(await openPayload(payload)), payloadBytes: payload.length };
  const reason = new Error('enough');
  await expect(measureLayers(openMemoryStore(base), opened, AbortSignal.abort(reason))).rejects.toBe(reason);
  const [record] = opened.records;
  const longer = concat(record?.bytes.borrow(0) as Uint8Array, [1, 2, 3, 4, 5, 6, 7, 8]);
  const source = { length: longer.length, borrow: (at: number) => longer.subarray(at) };
  const corrupt = { ...opened, records: [{ kind: 'sparse' as const, bytes: source }] };
  await expect(measureLayers(openMemoryStore(base), corrupt)).rejects.toMatchObject({
    code: 'corrupt-payload',
  });
});
