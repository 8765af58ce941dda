import { describe, expect, test } from 'vitest';
import { matchStores } from '../../src/exact-diff/match/match-stores.js';
import { HALVES } from '../../src/model/float16.js';
import { copyModel, openMemoryStore, type WeightStore } from '../../src/model/store.js';
import type { DType, Tensor } from '../../src/model/tensor.js';
import { createRandom, errorOf, seededBytes, seededFloats } from '../support.js';

type Half = keyof typeof HALVES;
const HALF_NAMES = Object.keys(HALVES) as Half[];

/** Enough for several pieces, the last one short. */
const ELEMENTS = 3 * 2 ** 16 + 7;

const tensorOf = (dtype: DType, words: Uint32Array | Uint16Array, name = 'a'): Tensor => {
  return { name, dtype, shape: [words.length], bytes: new Uint8Array(words.buffer) };
};

/** Any bits of float32, special ones at the start. */
function anyFloats(): Uint32Array {
  const words = new Uint32Array(seededBytes(5, 4 * ELEMENTS).buffer);
  words.set([0, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00000, 0x7fc00001, 0xffc00000, 1, 0x80000001]);
  return words;
}

async function castOf(
  base: Tensor,
  next: Tensor,
): Promise<{ store: WeightStore; rounded: number; tensors: number }> {
  const models = [base, next].map((tensor) => openMemoryStore({ tensors: [tensor] }));
  const found = await matchStores(models[0] as WeightStore, models[1] as WeightStore, { cast: true });
  return { store: found.store, rounded: found.roundedElements, tensors: found.castTensors };
}

async function bytesOf(store: WeightStore): Promise<Uint8Array> {
  return (await copyModel(store)).tensors[0]?.bytes as Uint8Array;
}

describe.each(HALF_NAMES)('matchStores() casts float32 to %s', (dtype) => {
  const blank = tensorOf(dtype, new Uint16Array(ELEMENTS));
  const { narrow, widen } = HALVES[dtype];

  test('with the rounding of the reference, and counts the rounded elements', async () => {
    const words = anyFloats();
    const values = new Float32Array(words.buffer);
    const expected = Uint16Array.from(values, narrow);
    const { store, rounded, tensors } = await castOf(blank, tensorOf('float32', words));
    expect(Buffer.compare(await bytesOf(store), new Uint8Array(expected.buffer))).toBe(0);
    const isKept = (value: number, i: number): boolean =>
      Number.isNaN(value) ? words[i] === 0x7fc00000 : Object.is(widen(expected[i] as number), value);
    expect([tensors, rounded]).toEqual([
      1,
      values.reduce((sum, value, i) => sum + (isKept(value, i) ? 0 : 1), 0),
    ]);
  });

  test('in reads of any byte range', async () => {
    const { store } = await castOf(blank, tensorOf('float32', anyFloats()));
    const whole = await bytesOf(store);
    const random = createRandom(9);
    for (let i = 0; i < 50; i++) {
      const byteOffset = random() % whole.length;
      const target = new Uint8Array(Math.min(random() % 300_000, whole.length - byteOffset));
      await store.readInto('a', byteOffset, target);
      expect(Buffer.compare(target, whole.subarray(byteOffset, byteOffset + target.length))).toBe(0);
    }
    await expect(store.readInto('a', whole.length - 1, new Uint8Array(2))).rejects.toThrow(RangeError);
    await expect(store.write('a', 0, new Uint8Array(2))).rejects.toThrow(TypeError);
  });

  test('and back without loss, except for NaN payloads', async () => {
    const words = Uint16Array.from({ length: 2 ** 16 }, (_, i) => i);
    const blankFloats = tensorOf('float32', new Uint32Array(2 ** 16));
    const { store, rounded } = await castOf(blankFloats, tensorOf(dtype, words));
    const bits = new Uint32Array((await bytesOf(store)).buffer);
    const values = new Float32Array(bits.buffer);
    let lost = 0;
    for (const [i, word] of words.entries()) {
      if (!Number.isNaN(values[i])) expect(values[i]).toBe(widen(word));
      else {
        expect(bits[i]).toBe(0x7fc00000);
        if (word !== narrow(Number.NaN)) lost++;
      }
    }
    expect(rounded).toBe(lost);
    expect(lost).toBe(dtype === 'float16' ? 2 * 1_023 - 1 : 2 * 127 - 1);
  });
});

describe('matchStores() without `cast`', () => {
  const base = tensorOf('float16', new Uint16Array(6));
  const refusalOf = (next: Tensor, options: object = {}) =>
    errorOf(() =>
      matchStores(openMemoryStore({ tensors: [base] }), openMemoryStore({ tensors: [next] }), options),
    );

  test.each([
    ['a', {}],
    ['a', { rename: false }],
  ])('says how to have it, name %s, %o', async (name, options) => {
    const { code, message } = await refusalOf(tensorOf('float32', new Uint32Array(6), name), options);
    expect([code, message]).toEqual([
      'wrong-layout',
      'Cannot diff models: tensor "a" is float16[6] in the base, float32[6] in the next model; allow casts (--cast), or ship the full model',
    ]);
  });

  test('suggests casts for renamed tensors too, but only where a cast would help', async () => {
    const other = await refusalOf(tensorOf('float32', new Uint32Array(6), 'b'));
    expect(other.message).toMatch(/"a" \(float16\[6\]\) is not .* allow casts \(--cast\)/);
    for (const options of [{}, { cast: true }]) {
      const { message } = await refusalOf(tensorOf('bfloat16', new Uint16Array(6)), options);
      expect(message).toMatch(/bfloat16\[6\] in the next model; ship the full model$/);
    }
  });
});

test('matchStores() casts and renames at once, comparing cast values', async () => {
  const floats = [1, 2, 3].map((seed) => new Float32Array(anyFloats().slice(100 * seed, 100 * seed + 90)));
  const narrowed = floats.map((values, i) =>
    tensorOf('bfloat16', Uint16Array.from(values, HALVES.bfloat16.narrow), `w${i}`),
  );
  const next = floats.map((values, i) =>
    tensorOf('float32', new Uint32Array(values.slice().buffer), `n${2 - i}x`),
  );
  const found = await matchStores(
    openMemoryStore({ tensors: narrowed }),
    openMemoryStore({ tensors: next }),
    {
      cast: true,
    },
  );
  expect(found.renamed).toEqual([
    ['w0', 'n2x'],
    ['w1', 'n1x'],
    ['w2', 'n0x'],
  ]);
  expect(await copyModel(found.store)).toEqual({ tensors: narrowed });
});

describe('matchStores() with `cast`, where tensors of one shape have mixed dtypes', () => {
  const half = (name: string, seed: number): Tensor =>
    tensorOf('bfloat16', Uint16Array.from(weights(seed), HALVES.bfloat16.narrow), name);
  const full = (name: string, values: Float32Array): Tensor =>
    tensorOf('float32', new Uint32Array(values.slice().buffer), name);
  const weights = (seed: number): Float32Array => seededFloats(seed, 900).map((value) => value ** 3);
  const base = [half('a', 1), full('b', weights(2))];
  const matchWith = (next: readonly Tensor[]) =>
    matchStores(openMemoryStore({ tensors: base }), openMemoryStore({ tensors: next }), { cast: true });

  test('matches the only tensor of its dtype if it is alike', async () => {
    const moved = weights(2).map((value) => value * 1.001);
    const { renamed, castTensors } = await matchWith([full('x', moved), half('y', 1)]);
    expect(renamed).toEqual([
      ['a', 'y'],
      ['b', 'x'],
    ]);
    expect(castTensors).toBe(0);
  });

  test('refuses an unrelated tensor, as the weights may have another dtype', async () => {
    const { code, message } = await errorOf(() => matchWith([full('x', weights(1)), half('y', 2)]));
    expect(code).toBe('wrong-layout');
    expect(message).toContain(`and the next model's tensor "y" (bfloat16[900])`);
  });
});
