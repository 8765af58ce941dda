import { describe, expect, test } from 'vitest';
import { type MatchOptions, matchStores } from '../../src/exact-diff/match/match-stores.js';
import { openCandidates } from '../../src/exact-diff/match/similarity.js';
import { openMemoryStore } from '../../src/model/store.js';
import type { Tensor } from '../../src/model/tensor.js';
import { createRandom, seededFloats } from '../support.js';

const TENSORS = 3_000;
const ELEMENTS = 96;

const tensorOf = (name: string, values: Float32Array): Tensor => {
  return { name, dtype: 'float32', shape: [values.length], bytes: new Uint8Array(values.buffer) };
};

/**
 * Thousands of tensors of one shape, and what training made of them under other names, in another order:
 * little, or a lot.
 */
function manyTensors(): { base: Tensor[]; next: Tensor[]; expected: Map<string, string> } {
  const random = createRandom(5);
  const numbers = Array.from({ length: TENSORS }, (_, i) => i);
  const shuffled = [...numbers].sort((a, b) => ((a * 7_919) % TENSORS) - ((b * 7_919) % TENSORS));
  const weights = numbers.map((i) => seededFloats(i + 1, ELEMENTS).map((value) => value ** 3));
  const next = shuffled.map((from, i) => {
    const noise = seededFloats(random(), ELEMENTS);
    const step = from % 10 === 0 ? 0.02 : 1e-3;
    const values = (weights[from] as Float32Array).map((value, k) => value + step * (noise[k] as number));
    return { from, tensor: tensorOf(`expert/${i}x`, values) };
  });
  return {
    base: weights.map((values, i) => tensorOf(`w${i}`, values)),
    next: next.map(({ tensor }) => tensor),
    expected: new Map(next.map(({ from, tensor }) => [`w${from}`, tensor.name])),
  };
}

const { base, next, expected } = manyTensors();
const match = (options: MatchOptions) =>
  matchStores(openMemoryStore({ tensors: base }), openMemoryStore({ tensors: next }), options);

describe('matchStores() of 3,000 tensors of one shape', () => {
  test('tells them apart', async () => {
    const { renamed } = await match({});
    expect(renamed.length).toBe(TENSORS);
    expect(renamed.filter(([to, from]) => expected.get(to) !== from)).toEqual([]);
  });

  test('yields to other tasks, and stops soon after they abort its signal', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const isAborted = Object.getOwnPropertyDescriptor(AbortSignal.prototype, 'aborted')?.get;
    let looks = 0;
    Object.defineProperty(signal, 'aborted', {
      get() {
        const aborted = isAborted?.call(signal);
        if (aborted) looks++;
        return aborted;
      },
    });
    const matching = match({
      signal,
      onProgress({ done, total }) {
        // Everything is read: what follows waits for nothing.
        if (done === total) setTimeout(() => controller.abort(new Error('enough')));
      },
    });
    await expect(matching).rejects.toThrow('enough');
    // None where the signal's own throwIfAborted() comes first: it does not read the property.
    expect(looks).toBeLessThanOrEqual(1);
  });
});

describe('openCandidates()', () => {
  const sampled = (values: ArrayLike<number>) => {
    return { digest: '', ordinals: Int32Array.from(values), bits: 32 };
  };
  const random = createRandom(3);
  const all = Array.from({ length: TENSORS }, () => sampled(Array.from({ length: 64 }, () => random() | 0)));

  test('selects 64 of thousands, including the changed original', () => {
    const candidates = openCandidates(all);
    expect(candidates.areAll).toBe(false);
    for (const tensor of all.slice(0, 50)) {
      const moved = sampled(tensor.ordinals.map((value) => value + 2 ** 28 * (random() / 2 ** 31 - 1)));
      const found = candidates.of(moved);
      expect(new Set(found).size).toBe(64);
      expect(found).toContain(tensor);
    }
  });

  test('finds a tensor that is mostly zero by its other elements', () => {
    const sparse = Array.from({ length: 1_000 }, () =>
      sampled(Array.from({ length: 640 }, () => (random() % 100 === 0 ? random() | 0 : 0))),
    );
    const candidates = openCandidates(sparse);
    for (const tensor of sparse.slice(-50))
      expect(candidates.of(sampled(tensor.ordinals.map((value) => value - (value >> 9))))).toContain(tensor);
  });

  test('selects 64 even if values are not informative', () => {
    const equal = Array.from({ length: 600 }, () => sampled(new Array(64).fill(7)));
    expect(new Set(openCandidates(equal).of(equal[0] as (typeof equal)[0])).size).toBe(64);
  });

  test('selects all of a small group', () => {
    const few = all.slice(0, 512);
    expect(openCandidates(few)).toMatchObject({ areAll: true });
    expect(openCandidates(few).of(sampled([]))).toBe(few);
  });
});
