import { describe, expect, test } from 'vitest';
import { applyPayload } from '../../../src/apply/apply-payload.js';
import { diffModels } from '../../../src/exact-diff/diff-stores.js';
import { type FitOptions, fitModels, type LossyDiff } from '../../../src/exact-diff/lossy/fit-models.js';
import { fingerprint } from '../../../src/model/fingerprint.js';
import { HALVES } from '../../../src/model/float16.js';
import { copyModel, openMemoryStore } from '../../../src/model/store.js';
import type { DType, Model, Tensor } from '../../../src/model/tensor.js';
import { decodePayload } from '../../../src/payload/decode.js';
import { cloneModel, createRandom, errorOf, offsetView, sampleModel, seededFloats } from '../../support.js';

const FLOATS = ['float32', 'float16', 'bfloat16'] as const satisfies DType[];

/** A bell of sorts, as weights and their changes have it. */
function bell(seed: number, count: number, size: number): Float32Array {
  const random = createRandom(seed);
  const one = (): number => random() / 2 ** 32 - 0.5;
  return Float32Array.from({ length: count }, () => (one() + one() + one()) * size);
}

function tensorOf(name: string, dtype: DType, values: ArrayLike<number>, shape = [values.length]): Tensor {
  const floats = Float32Array.from(values);
  if (dtype === 'float32') return { name, dtype, shape, bytes: new Uint8Array(floats.buffer) };
  const bits = Uint16Array.from(floats, HALVES[dtype as keyof typeof HALVES].narrow);
  return { name, dtype, shape, bytes: new Uint8Array(bits.buffer) };
}

function valuesOf({ dtype, bytes }: Tensor): Float32Array {
  const { buffer } = bytes.slice();
  if (dtype === 'float32') return new Float32Array(buffer);
  return Float32Array.from(new Uint16Array(buffer), HALVES[dtype as keyof typeof HALVES].widen);
}

/** Tensors of several ranks and sizes of change, each trained a little. */
function trained(dtype: DType, seed: number): { base: Model; next: Model } {
  const random = createRandom(seed);
  const shapes = [[3, 3, 4, 8], [40, 17], [64], [1], [], [0, 3]];
  const pairs = shapes.map((shape, i) => {
    const count = shape.reduce((product, size) => product * size, 1);
    const from = bell(seed + i, count, 0.4);
    const moves = bell(seed + 10 + i, count, 10 ** -(random() % 4));
    const to = from.map((value, j) => value + (moves[j] as number));
    return [tensorOf(`t${i}`, dtype, from, shape), tensorOf(`t${i}`, dtype, to, shape)] as const;
  });
  return {
    base: { tensors: pairs.map(([from]) => from) },
    next: { tensors: pairs.map(([, to]) => to).reverse() },
  };
}

/** Applies a payload as devices do. */
async function applied(base: Model, found: LossyDiff): Promise<Map<string, Tensor>> {
  const store = openMemoryStore(cloneModel(base));
  const { status, fingerprint: reached } = await applyPayload(store, found.payload);
  expect(['applied', 'current']).toContain(status);
  expect([reached, found.payload.length]).toEqual([found.next, found.payloadBytes]);
  return new Map((await copyModel(store)).tensors.map((tensor) => [tensor.name, tensor]));
}

/** Root mean square of what is left over that of the change. */
function measure(from: Tensor, to: Tensor, got: Tensor): number {
  const [before, after, patched] = [valuesOf(from), valuesOf(to), valuesOf(got)];
  let [left, change] = [0, 0];
  after.forEach((value, i) => {
    left += (value - (patched[i] as number)) ** 2;
    change += (value - (before[i] as number)) ** 2;
  });
  return left === 0 ? 0 : Math.sqrt(left / change);
}

describe.each(FLOATS)('fitModels() of %s', (dtype) => {
  test.each([1e-6, 0.001, 0.02, 0.2, 0.7])('leaves at most %f of each change', async (error) => {
    for (let seed = 1; seed <= 6; seed++) {
      const { base, next } = trained(dtype, 100 * seed);
      const found = await fitModels(base, next, { error });
      const patched = await applied(base, found);
      const reported = new Map(found.perTensor.map((each) => [each.tensor, each.error]));
      for (const to of next.tensors) {
        const from = base.tensors.find(({ name }) => name === to.name) as Tensor;
        const measured = measure(from, to, patched.get(to.name) as Tensor);
        expect(measured).toBeLessThanOrEqual(error);
        expect(measured).toBe(reported.get(to.name) ?? 0);
      }
      expect(found.error).toBeLessThanOrEqual(error);
      expect(found.worstError).toBe(Math.max(...reported.values()));
      expect(found.payloadBytes).toBeLessThanOrEqual(found.exactBytes);
    }
  });

  test('takes fewer bytes for larger errors, and the same bytes every time', async () => {
    const { base, next } = trained(dtype, 3);
    const sizes: number[] = [];
    for (const error of [0.001, 0.02, 0.2, 0.7]) {
      const { payload } = await fitModels(base, next, { error });
      expect((await fitModels(base, next, { error })).payload).toEqual(payload);
      sizes.push(payload.length);
    }
    expect(sizes).toEqual([...sizes].sort((a, b) => b - a));
    expect(sizes[3]).toBeLessThan(0.6 * (sizes[0] as number));
  });

  test('stays within any budget, with smaller errors for larger budgets', async () => {
    const { base, next } = trained(dtype, 4);
    const { exactBytes } = await fitModels(base, next, { error: 0.5 });
    const errors: number[] = [];
    for (const share of [0.1, 0.2, 0.3, 0.5, 0.8, 1]) {
      const budget = Math.floor(share * exactBytes);
      const found = await fitModels(base, next, { budget });
      await applied(base, found);
      expect(found.payloadBytes).toBeLessThanOrEqual(budget);
      errors.push(found.error);
    }
    expect(errors).toEqual([...errors].sort((a, b) => b - a));
    expect(errors.at(-1)).toBe(0);
  });

  test('reproduces NaNs and infinities bit for bit', async () => {
    const values = bell(5, 400, 0.4);
    const moves = bell(6, 400, 0.01);
    const [from, to] = [values.slice(), values.map((value, i) => value + (moves[i] as number))];
    const odd = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 0];
    odd.forEach((value, i) => {
      from[20 * i + 1] = value;
      to[20 * i + 2] = value;
      odd.forEach((other, j) => {
        [from[200 + 9 * i + j], to[200 + 9 * i + j]] = [value, other];
      });
    });
    const [before, after] = [tensorOf('t', dtype, from, [20, 20]), tensorOf('t', dtype, to, [20, 20])];
    // A NaN with a payload of its own.
    after.bytes[0] = 1;
    const exponent = dtype === 'float16' ? 0x7c : 0x7f;
    after.bytes.set(dtype === 'float32' ? [0x80, exponent] : [exponent], dtype === 'float32' ? 2 : 1);
    if (dtype === 'bfloat16') after.bytes[0] = 0x81;
    const found = await fitModels({ tensors: [before] }, { tensors: [after] }, { error: 0.1 });
    const patched = (await applied({ tensors: [before] }, found)).get('t') as Tensor;
    const size = after.bytes.length / 400;
    const [wanted, got, start] = [valuesOf(after), valuesOf(patched), valuesOf(before)];
    for (let i = 0; i < 400; i++) {
      if (Number.isFinite((wanted[i] as number) - (start[i] as number))) continue;
      const at = [i * size, (i + 1) * size] as const;
      expect(patched.bytes.slice(...at)).toEqual(after.bytes.slice(...at));
    }
    for (let i = 0; i < 400; i++) expect(Number.isFinite(got[i])).toBe(Number.isFinite(wanted[i]));
    expect([found.error > 0, found.error <= 0.1, found.isExact]).toEqual([true, true, false]);
  });
});

test('fitModels() accepts values at both ends of the range, and bytes at any offset in their buffer', async () => {
  const from = tensorOf('t', 'float32', [3.4e38, -3.4e38, 1e-45, 0, 1, 0]);
  const to = tensorOf('t', 'float32', [-3.4e38, 3.4e38, 0, 1e-45, 1, -0]);
  const moved = (tensor: Tensor, by: number): Model => {
    return { tensors: [{ ...tensor, bytes: offsetView(tensor.bytes, by) }] };
  };
  for (const error of [0.001, 0.4]) {
    const found = await fitModels(moved(from, 3), moved(to, 5), { error });
    const patched = (await applied({ tensors: [from] }, found)).get('t') as Tensor;
    expect(measure(from, to, patched)).toBeLessThanOrEqual(error);
  }
  const [tiny, none] = [tensorOf('t', 'float32', [1e-45, 0, 0]), tensorOf('t', 'float32', [0, 0, -0])];
  expect((await fitModels({ tensors: [none] }, { tensors: [tiny] }, { error: 0.5 })).error).toBe(0);
});

test('fitModels() stays within the error where a change takes more steps than the largest level', async () => {
  const [from, moves] = [bell(12, 20_000, 0.4), bell(13, 20_000, 0.001)];
  const to = from.map((value, i) => value + (i === 777 ? 1_000 : (moves[i] as number)));
  const [before, after] = [
    tensorOf('t', 'float32', from, [100, 200]),
    tensorOf('t', 'float32', to, [100, 200]),
  ];
  for (const error of [1e-6, 1e-4, 0.01]) {
    const found = await fitModels({ tensors: [before] }, { tensors: [after] }, { error });
    const patched = (await applied({ tensors: [before] }, found)).get('t') as Tensor;
    expect(measure(before, after, patched)).toBe(found.worstError);
    expect(found.worstError).toBeLessThanOrEqual(error);
  }
});

test('fitModels() keeps the sign of a zero if nothing else changes', async () => {
  const [from, to] = [tensorOf('t', 'float32', [0, 1]), tensorOf('t', 'float32', [-0, 1])];
  const found = await fitModels({ tensors: [from] }, { tensors: [to] }, { error: 0.5 });
  expect(found).toMatchObject({ error: 0, worstError: 0, isExact: false });
  expect(found.perTensor).toEqual([{ tensor: 't', kinds: [], error: 0 }]);
});

test('fitModels() reproduces integers exactly', async () => {
  const base = sampleModel(1);
  const next = cloneModel(sampleModel(1));
  for (const name of ['bytes', 'table', 'ids'])
    next.tensors.find((one) => one.name === name)!.bytes[1]! ^= 77;
  next.tensors[0]!.bytes.set(new Uint8Array(seededFloats(1, 72).buffer));
  for (const options of [{ error: 0.3 }, { budget: 125 }]) {
    const found = await fitModels(base, next, options);
    const patched = await applied(base, found);
    for (const { name, bytes } of next.tensors.slice(1)) expect(patched.get(name)?.bytes).toEqual(bytes);
    expect(found.error).toBeGreaterThan(0.05);
    const kinds = Object.fromEntries(found.perTensor.map((each) => [each.tensor, each.kinds]));
    expect(kinds).toMatchObject({ bytes: ['exact'], ids: ['exact'], table: ['exact'] });
  }
});

test('fitModels() of a model and itself yields a payload that changes nothing', async () => {
  for (const options of [{ error: 0.1 }, { budget: '50%' }]) {
    const found = await fitModels(sampleModel(), sampleModel(), options);
    expect(found).toMatchObject({ error: 0, worstError: 0, isExact: true, perTensor: [], next: found.base });
    expect(found.payload.length).toBeLessThan(100);
  }
});

test('fitModels() reports the fingerprints of its payload, and keeps metadata', async () => {
  const { base, next } = trained('float32', 7);
  const found = await fitModels(base, next, { error: 0.1, meta: { step: 3 } });
  const { header, diff } = await decodePayload(found.payload, base.tensors);
  expect([header.base, header.next]).toEqual([found.base, found.next]);
  expect(found.next).not.toBe(await fingerprint(openMemoryStore(next)));
  expect([header.meta, new Set(diff.ops.map(({ kind }) => kind)).has('hash')]).toEqual([{ step: 3 }, false]);
});

test('fitModels() returns the exact diff if it fits the budget', async () => {
  const { base, next } = trained('bfloat16', 8);
  const { payload } = await diffModels(base, next);
  const found = await fitModels(base, next, { budget: payload.length });
  expect([found.isExact, found.error, found.next]).toEqual([
    ...[true, 0, await fingerprint(openMemoryStore(next))],
  ]);
  expect((await fitModels(base, next, { budget: payload.length - 1 })).isExact).toBe(false);
});

test('fitModels() reports progress and can be stopped', async () => {
  const { base, next } = trained('float32', 9);
  for (const goal of [{ error: 0.1 }, { budget: '20%' }]) {
    const done: number[] = [];
    await fitModels(base, next, {
      ...goal,
      onProgress: (progress) => void done.push(progress.done / progress.total),
    });
    expect(done).toEqual([...done].sort((a, b) => a - b));
    expect(done.at(-1)).toBeLessThanOrEqual(1);
    const stop = new AbortController();
    const onProgress = (): void => stop.abort(new Error('enough'));
    await expect(fitModels(base, next, { ...goal, signal: stop.signal, onProgress })).rejects.toThrow(
      'enough',
    );
  }
});

const refusals: Readonly<Record<string, [object, string]>> = {
  'no goal': [{}, 'expected either an error or a budget'],
  'two goals': [{ error: 0.1, budget: 100 }, 'expected either an error or a budget'],
  'an error of 0': [{ error: 0 }, 'expected an error above 0 % and below 100 %, got 0 %'],
  'an error of 1': [{ error: 1 }, 'got 100 %'],
  'an error that is no number': [{ error: Number.NaN }, 'got NaN %'],
  'a budget in words': [{ budget: 'much' }, 'Cannot read budget "much"'],
};

test.each(Object.entries(refusals))('fitModels() refuses %s', async (_name, [options, message]) => {
  const call = fitModels(sampleModel(), sampleModel(), options as FitOptions);
  await expect(call).rejects.toThrow(RangeError);
  await expect(call).rejects.toThrow(message);
});

test('fitModels() refuses different tensors, and a budget that not even an empty diff meets', async () => {
  const { base, next } = trained('float32', 11);
  const fewer = { tensors: next.tensors.slice(1) };
  expect((await errorOf(() => fitModels(base, fewer, { error: 0.1 }))).code).toBe('wrong-layout');
  const cut = { tensors: base.tensors.map((one) => ({ ...one, bytes: one.bytes.slice(1) })) };
  expect((await errorOf(() => fitModels(cut, cut, { error: 0.1 }))).code).toBe('bad-model');
  const error = await errorOf(() => fitModels(base, next, { budget: 30 }));
  expect([error.code, error.facts.bytes]).toEqual(['budget-impossible', 30]);
  const least = error.facts.least as number;
  const found = await fitModels(base, next, { budget: least });
  expect([found.payloadBytes, found.error, found.perTensor[0]?.kinds]).toEqual([least, 1, []]);
});
