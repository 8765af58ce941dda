import { describe, expect, test } from 'vitest';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { diffModels } from '../../src/exact-diff/diff-stores.js';
import { copyModel, openMemoryStore } from '../../src/model/store.js';
import { DTYPES, type DType, type Model, type Tensor } from '../../src/model/tensor.js';
import { cloneModel, createRandom, errorOf, offsetView, sampleModel, seededBytes } from '../support.js';

const DTYPE_NAMES = Object.keys(DTYPES) as DType[];

/** Any bits at all: NaNs with payloads, infinities, subnormals and zeros of both signs among them. */
function anyBits(dtype: DType, seed: number, elements = 64): Tensor {
  const size = DTYPES[dtype].bytes;
  const bytes = seededBytes(seed, elements * size);
  const special: Record<number, readonly number[]> = {
    4: [0x7fc00001, 0xffc00000, 0x7f800001, 0x7f800000, 0xff800000, 0x80000000, 0, 1, 0x807fffff],
    2: [0x7e01, 0xfe00, 0x7c01, 0x7f80, 0xff80, 0x7c00, 0xfc00, 0x8000, 0, 1, 0x83ff],
    1: [0, 0x7f, 0x80, 0xff],
    8: [0, 1, 0xffffffff],
  };
  const random = createRandom(seed);
  const view = new DataView(bytes.buffer);
  for (const value of special[size] as readonly number[]) {
    const at = (random() % elements) * size;
    if (size === 4) view.setUint32(at, value, true);
    else if (size === 2) view.setUint16(at, value, true);
    else view.setUint8(at, value);
  }
  return { name: `of ${dtype}`, dtype, shape: [elements / 8, 8], bytes };
}

async function expectExact(base: Model, next: Model): Promise<Awaited<ReturnType<typeof diffModels>>> {
  const found = await diffModels(base, next);
  const store = openMemoryStore(cloneModel(base));
  const { status, fingerprint } = await applyPayload(store, found.payload);
  expect(['applied', 'current']).toContain(status);
  expect(fingerprint).toBe(found.next);
  const byName = new Map(next.tensors.map((tensor) => [tensor.name, tensor.bytes]));
  for (const { name, bytes } of (await copyModel(store)).tensors) expect(bytes).toEqual(byName.get(name));
  return found;
}

describe.each(DTYPE_NAMES)('diffModels() of %s', (dtype) => {
  test('turns any bits into any other bits', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      await expectExact({ tensors: [anyBits(dtype, seed)] }, { tensors: [anyBits(dtype, 100 + seed)] });
    }
  });

  test('accepts bytes at any offset in their buffer', async () => {
    const [from, to] = [anyBits(dtype, 1), anyBits(dtype, 2)];
    await expectExact(
      { tensors: [{ ...from, bytes: offsetView(from.bytes, 3) }] },
      { tensors: [{ ...to, bytes: offsetView(to.bytes, 5) }] },
    );
  });
});

test('diffModels() counts changes and accepts tensors in any order, including scalars and empty ones', async () => {
  const base = sampleModel();
  const next = cloneModel(sampleModel());
  const [first, scalar] = [
    next.tensors[0] as Tensor,
    next.tensors.find(({ shape }) => shape.length === 0) as Tensor,
  ];
  (first.bytes as Uint8Array)[0]! ^= 1;
  (scalar.bytes as Uint8Array)[0]! ^= 1;
  const found = await expectExact(base, { tensors: [...next.tensors].reverse() });
  expect([found.changedTensors, found.changedWeights]).toEqual([2, 2]);
});

test('diffModels() of a model and itself yields a payload that changes nothing', async () => {
  const found = await expectExact(sampleModel(), sampleModel());
  expect([found.changedTensors, found.changedWeights, found.base]).toEqual([0, 0, found.next]);
  expect(found.payload.length).toBeLessThan(100);
});

test('diffModels() yields small payloads for small changes, and the same bytes every time', async () => {
  const random = createRandom(3);
  const values = Float32Array.from({ length: 4_096 }, () => (random() / 2 ** 32 - 0.5) * 2);
  const moved = values.map((value) => value + (random() / 2 ** 32 - 0.5) * 1e-5);
  const modelOf = (array: Float32Array): Model => {
    return {
      tensors: [
        { name: 'a', dtype: 'float32', shape: [64, 64], bytes: new Uint8Array(array.slice().buffer) },
      ],
    };
  };
  const found = await expectExact(modelOf(values), modelOf(moved));
  // Steps of 1e-5 are some 170 units in the last place of weights around a half.
  expect(found.payload.length).toBeLessThan(0.4 * 4 * 4_096);
  expect((await diffModels(modelOf(values), modelOf(moved))).payload).toEqual(found.payload);
});

const a: Tensor = { name: 'a', dtype: 'int8', shape: [2], bytes: Uint8Array.of(1, 2) };
const DIFFERENT: Readonly<Record<string, [readonly Tensor[], string]>> = {
  'fewer tensors': [[], `the base's tensor "a" is not in the next model`],
  'more tensors': [[a, { ...a, name: 'b' }], `the next model's tensor "b" is not in the base`],
  'another dtype': [
    [{ ...a, dtype: 'uint8' }],
    'tensor "a" is int8[2] in the base, uint8[2] in the next model',
  ],
  'another shape': [
    [{ ...a, shape: [2, 1] }],
    'tensor "a" is int8[2] in the base, int8[2, 1] in the next model',
  ],
};

test('diffModels() refuses models without tensors, which would all be equal', async () => {
  const { code } = await errorOf(() => diffModels({ tensors: [] }, { tensors: [] }));
  expect(code).toBe('empty-model');
});

test.each(Object.entries(DIFFERENT))('diffModels() refuses %s', async (_name, [tensors, message]) => {
  const error = await errorOf(() => diffModels({ tensors: [a] }, { tensors }));
  expect([error.code, error.message]).toEqual([
    'wrong-layout',
    `Cannot diff models: ${message}; ship the full model`,
  ]);
});
