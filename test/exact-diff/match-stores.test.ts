import { describe, expect, test } from 'vitest';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { diffStores } from '../../src/exact-diff/diff-stores.js';
import { type MatchOptions, matchStores } from '../../src/exact-diff/match/match-stores.js';
import { concatBytes } from '../../src/model/bytes.js';
import { copyModel, openMemoryStore } from '../../src/model/store.js';
import type { Tensor } from '../../src/model/tensor.js';
import {
  createRandom,
  errorOf,
  expectSameModel,
  recordStore,
  seededFloats,
  seededTensor,
} from '../support.js';

/** Weights as training leaves them: around zero, of many magnitudes. */
function weights(name: string, seed: number, shape: readonly number[] = [40, 50]): Tensor {
  const elements = shape.reduce((product, size) => product * size, 1);
  const values = seededFloats(seed, elements).map((value) => 0.1 * value ** 3);
  return { name, dtype: 'float32', shape, bytes: new Uint8Array(values.buffer) };
}

/** What some training makes of a tensor, under another name. */
function tuned(tensor: Tensor, name: string, step = 1e-3): Tensor {
  const noise = seededFloats(77, tensor.bytes.length / 4);
  const values = new Float32Array(tensor.bytes.slice().buffer).map((value, i) => value + step * noise[i]!);
  return { ...tensor, name, bytes: new Uint8Array(values.buffer) };
}

const match = (base: readonly Tensor[], next: readonly Tensor[], options: MatchOptions = {}) =>
  matchStores(openMemoryStore({ tensors: base }), openMemoryStore({ tensors: next }), options);

const messageOf = async (...models: Parameters<typeof match>): Promise<string> => {
  const { code, message } = await errorOf(() => match(...models));
  expect(code).toBe('wrong-layout');
  return message;
};

function shuffled<T>(items: readonly T[], seed: number): T[] {
  const random = createRandom(seed);
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

describe('matchStores()', () => {
  test('takes tensors of other names for those they came from, whatever their order', async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const base = Array.from({ length: 12 }, (_, i) => weights(`w${i}`, 100 * seed + i));
      const next = base.map((tensor, i) =>
        i % 3 === 0 ? { ...tensor, name: `n${i}x` } : tuned(tensor, `n${i}x`),
      );
      const { renamed, store } = await match(base, shuffled(next, seed));
      expect(renamed).toEqual(base.map(({ name }, i) => [name, `n${i}x`]));
      expect(await copyModel(store)).toEqual({
        tensors: next.map((tensor, i) => ({ ...tensor, name: `w${i}` })),
      });
    }
  });

  test('makes payloads that leave the next weights under the names of the base', async () => {
    const base = [weights('a', 1), weights('b', 2), seededTensor('table', 'uint8', [900], 3)];
    const [a, b, table] = base as [Tensor, Tensor, Tensor];
    const changed = {
      ...table,
      name: 'T',
      bytes: table.bytes.map((byte, i) => (i % 9 === 0 ? byte ^ 4 : byte)),
    };
    const { store } = await match(base, [changed, tuned(b, 'first'), tuned(a, 'second')]);
    const expected = [tuned(a, 'a'), tuned(b, 'b'), { ...changed, name: 'table' }];
    const memory = openMemoryStore({ tensors: base });
    const { pieces, next } = await diffStores(memory, store);
    const parts: Uint8Array[] = [];
    for await (const piece of pieces) parts.push(piece.slice());
    expect((await applyPayload(memory, concatBytes(parts))).fingerprint).toBe(next);
    expectSameModel(await copyModel(memory), { tensors: expected });
  });

  test('reads nothing where names are equal, or one is the end of the other', async () => {
    const base = [weights('dense/kernel', 1), weights('out/kernel', 2), weights('norm.gamma', 3)];
    const names = ['model_weights/dense/dense/kernel:0', 'out/kernel', 'net.norm.gamma'];
    const next = openMemoryStore({ tensors: names.map((name, i) => weights(name, 90 + i)) });
    const store = recordStore(next);
    const { renamed } = await matchStores(openMemoryStore({ tensors: base }), store);
    expect(store.counts.reads).toBe(0);
    expect(renamed).toEqual([
      ['dense/kernel', 'model_weights/dense/dense/kernel:0'],
      ['norm.gamma', 'net.norm.gamma'],
    ]);
  });

  test.each([
    ['model.', ['w', 'enc.w', 'enc.enc.w'], ['model.w', 'model.enc.w', 'model.enc.enc.w']],
    ['enc.', ['w', 'enc.w', 'enc.enc.w'], ['enc.w', 'enc.enc.w', 'enc.enc.enc.w']],
    ['m/, in slashes', ['l_1.w', 'l_2.w', 'w'], ['m/l_1/w:0', 'm/l_2/w:0', 'm/w:0']],
  ])('takes off a prefix that all names have before it compares them: %s', async (_name, short, long) => {
    for (const [from, to] of [
      [short, long],
      [long, short],
    ] as const) {
      const base = from.map((name, i) => weights(name, i + 1));
      const others = openMemoryStore({ tensors: shuffled(to, 3).map((name, i) => weights(name, 90 + i)) });
      const store = recordStore(others);
      const { renamed } = await matchStores(openMemoryStore({ tensors: base }), store);
      expect(renamed).toEqual(from.map((name, i) => [name, to[i]]));
      expect(store.counts.reads).toBe(0);
    }
  });

  test('does not take a number in front of numbers for a prefix', async () => {
    const base = [weights('1', 1), weights('2', 2)];
    const numbered = [tuned(base[1] as Tensor, '11'), tuned(base[0] as Tensor, '12')];
    expect((await match(base, numbered)).renamed.map(([, name]) => name)).toEqual(['12', '11']);
  });

  test('goes by content where tensors were numbered again, though some names are equal', async () => {
    const base = [weights('MatMul_10', 1), weights('MatMul_12', 2), weights('MatMul_14', 3)];
    const next = base.map((tensor, i) => tuned(tensor, `MatMul_${12 + 2 * i}`));
    expect((await match(base, next)).renamed).toEqual([
      ['MatMul_10', 'MatMul_12'],
      ['MatMul_12', 'MatMul_14'],
      ['MatMul_14', 'MatMul_16'],
    ]);
    const keras = [weights('dense/kernel', 1), weights('dense_1/kernel', 2)];
    const again = keras.map((tensor, i) => tuned(tensor, `m/dense_${i + 1}/kernel`));
    expect((await match(keras, again)).renamed.map(([, name]) => name)).toEqual([
      'm/dense_1/kernel',
      'm/dense_2/kernel',
    ]);
    const others = [weights('MatMul_12', 8), weights('MatMul_14', 9), weights('MatMul_16', 10)];
    expect(await messageOf(base, others)).toContain('nothing tells which of');
  });

  test('is refused where tensors have their magnitude in common, and nothing else', async () => {
    const scaled = (name: string, seed: number, scale: number): Tensor => {
      const values = seededFloats(seed, 4_096).map((value) => scale * Math.exp(0.2 * value));
      return { name, dtype: 'float32', shape: [4_096], bytes: new Uint8Array(values.buffer) };
    };
    const base = [scaled('l1/var', 1, 5), scaled('l2/var', 2, 0.5)];
    const others = [scaled('x/first', 3, 0.5), scaled('x/second', 4, 5)];
    expect(await messageOf(base, others)).toContain('nothing tells which of');
    const again = [tuned(base[1] as Tensor, 'x/first'), tuned(base[0] as Tensor, 'x/second')];
    expect((await match(base, again)).renamed).toEqual([
      ['l1/var', 'x/second'],
      ['l2/var', 'x/first'],
    ]);
  });

  test('takes the only tensor of a shape, and the last one that is left', async () => {
    const base = [weights('a', 1), weights('b', 2), weights('c', 3, [9])];
    const next = [weights('x', 70), tuned(base[0] as Tensor, 'y'), weights('z', 71, [9])];
    expect((await match(base, next)).renamed).toEqual([
      ['a', 'y'],
      ['b', 'x'],
      ['c', 'z'],
    ]);
  });

  test('takes any of identical tensors, the first first', async () => {
    const zeros = (name: string): Tensor => ({ ...weights(name, 1), bytes: new Uint8Array(8000) });
    const base = [weights('a', 1), weights('b', 2)];
    expect((await match(base, [zeros('z'), zeros('y')])).renamed).toEqual([
      ['a', 'y'],
      ['b', 'z'],
    ]);
    expect((await match([zeros('a'), zeros('b')], [zeros('z'), zeros('y')])).renamed).toEqual([
      ['a', 'y'],
      ['b', 'z'],
    ]);
  });

  test('refuses what cannot be told apart, and names it', async () => {
    const others = [weights('x', 70), weights('y', 71)];
    expect(await messageOf([weights('a', 1), weights('b', 2)], others)).toBe(
      `Cannot diff models: nothing tells which of the next model's tensors "x", "y" (float32[40, 50]) the base's tensors "a", "b" (float32[40, 50]) should become; give the next model's tensors the base's names, or ship the full model`,
    );
    const same = [weights('a', 1), weights('b', 1)];
    expect(await messageOf(same, [{ ...weights('x', 1) }, tuned(weights('y', 1), 'y')])).toContain(
      'nothing tells',
    );
    const scalars = [1, 2, 3, 4].map((seed) => weights(`s${seed}`, seed, []));
    const [p, q, r, s] = scalars as [Tensor, Tensor, Tensor, Tensor];
    expect(
      await messageOf(
        [p, q],
        [
          { ...r, name: 'x' },
          { ...s, name: 'y' },
        ],
      ),
    ).toContain('nothing tells');
  });

  test('refuses tensors that are missing, more, or of other shapes', async () => {
    const [a, b] = [weights('a', 1), weights('b', 2)];
    expect(await messageOf([a, b], [a])).toContain(
      `the base's tensor "b" (float32[40, 50]) is not in the next model;`,
    );
    expect(await messageOf([a], [a, weights('m/moment', 3, [7])])).toContain(
      `the next model's tensor "m/moment" (float32[7]) is not in the base; ship the full model`,
    );
    expect(await messageOf([a], [{ ...a, shape: [50, 40] }])).toContain(
      'tensor "a" is float32[40, 50] in the base, float32[50, 40] in the next model',
    );
    expect(await messageOf([a, b], [weights('c', 3)])).toContain(
      `the base's tensors "a", "b" (float32[40, 50]) are not`,
    );
    const [dense, dense1] = [weights('dense/kernel', 4), weights('dense_1/kernel', 5)];
    expect(await messageOf([dense, dense1], [dense, dense1, weights('dense_2/kernel', 6)])).toBe(
      'Cannot diff models: of float32[40, 50] the base has 2 tensors without a counterpart ("dense/kernel", "dense_1/kernel"), the next model 3; ship the full model',
    );
  });

  test('refuses other names on request', async () => {
    const a = weights('a', 1);
    expect(await messageOf([a], [{ ...a, name: 'b' }], { rename: false })).toBe(
      `Cannot diff models: the base's tensor "a" (float32[40, 50]) is not in the next model, the next model's tensor "b" (float32[40, 50]) is not in the base; ship the full model`,
    );
    expect((await match([a], [tuned(a, 'a')], { rename: false })).renamed).toEqual([]);
  });

  test('reports what it reads, and stops', async () => {
    const base = [weights('a', 1), weights('b', 2)];
    const next = [tuned(base[1] as Tensor, 'x'), tuned(base[0] as Tensor, 'y')];
    const done: number[] = [];
    await match(base, next, { onProgress: (progress) => done.push(progress.done) });
    expect(done).toEqual([8_000, 16_000, 24_000, 32_000]);
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(match(base, next, { signal })).rejects.toThrow('enough');
  });
});
