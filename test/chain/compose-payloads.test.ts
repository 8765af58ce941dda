import fc from 'fast-check';
import { expect, test } from 'vitest';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { composePayloads, mergeOps } from '../../src/chain/compose-payloads.js';
import { openMemoryStore } from '../../src/model/store.js';
import { decodePayload } from '../../src/payload/decode.js';
import type { Op } from '../../src/payload/diff.js';
import { openPayload } from '../../src/payload/open-payload.js';
import { cloneModel, codeOf, errorOf, expectSameModel, pack, patchModel, sampleModel } from '../support.js';
import { randomDiff } from './random-diff.js';

const seed = fc.nat({ max: 2 ** 31 });
const base = sampleModel();
const { tensors } = base;

/** Packs consecutive random diffs. */
async function chainOf(seeds: readonly number[]) {
  let model = base;
  const payloads: Uint8Array[] = [];
  for (const [i, each] of seeds.entries()) {
    const { payload, next } = await pack(model, randomDiff(tensors, each), { step: i });
    payloads.push(payload);
    model = next;
  }
  return { payloads, last: model };
}

test('composePayloads() has the effect of its parts, bit for bit, in no more bytes', async () => {
  const property = fc.asyncProperty(fc.array(seed, { minLength: 1, maxLength: 5 }), async (seeds) => {
    const { payloads, last } = await chainOf(seeds);
    const composed = await composePayloads(payloads, { tensors });
    const patched = cloneModel(base);
    const { fingerprint } = await applyPayload(openMemoryStore(patched), composed.payload);
    expectSameModel(patched, last);
    expect(fingerprint).toBe(composed.next);
    expect(composed.partBytes).toEqual(payloads.map(({ length }) => length));
    expect(composed.payload.length).toBeLessThanOrEqual(
      composed.partBytes.reduce((sum, bytes) => sum + bytes, 0),
    );
  });
  await fc.assert(property, { numRuns: 60 });
});

test('mergeOps() changes no bit of any result', () => {
  const property = fc.property(fc.array(seed, { minLength: 1, maxLength: 6 }), (seeds) => {
    const ops = seeds.flatMap((each) => randomDiff(tensors, each).ops);
    const merged = mergeOps(ops, tensors);
    expect(merged.length).toBeLessThanOrEqual(2 * ops.length);
    expectSameModel(patchModel(base, { ops: merged }), patchModel(base, { ops }));
  });
  fc.assert(property, { numRuns: 300 });
});

const sparse = (tensor: string, values: readonly [number, number][], scale = 1): Op => ({
  kind: 'sparse',
  tensor,
  scale,
  positions: Uint32Array.from(values, ([at]) => at),
  levels: Int16Array.from(values, ([, size]) => size),
});

test('mergeOps() joins sparse ops at different positions, and adds levels of one sign on integers', () => {
  const merged = mergeOps(
    [
      sparse('half', [
        [1, 5],
        [4, 1],
      ]),
      sparse('ids', [
        [0, 2],
        [3, -7],
      ]),
      sparse('half', [
        [0, 2],
        [4, 3],
      ]),
      sparse('ids', [
        [0, 1],
        [3, 7],
        [5, 9],
      ]),
    ],
    tensors,
  );
  expect(merged).toEqual([
    sparse('half', [
      [0, 2],
      [1, 5],
      [4, 1],
    ]),
    sparse('ids', [
      [0, 3],
      [3, -7],
      [5, 9],
    ]),
    sparse('half', [[4, 3]]),
    sparse('ids', [[3, 7]]),
  ]);
});

test('mergeOps() keeps ops apart that differ in scale or have an op in between', () => {
  const ops = [sparse('half', [[1, 5]]), sparse('half', [[2, 5]], 2)];
  expect(mergeOps(ops, tensors)).toEqual(ops);
  const dense: Op = { kind: 'dense', tensor: 'half', scale: 1, levels: new Int8Array(35).fill(1) };
  const between = [sparse('half', [[1, 5]]), dense, sparse('half', [[2, 5]])];
  expect(mergeOps(between, tensors)).toEqual(between);
});

test('mergeOps() drops ops that cancel out', () => {
  const exact = (level: number): Op => {
    return { kind: 'exact', tensor: 'ids', positions: Uint32Array.of(2), levels: Int32Array.of(level) };
  };
  expect(mergeOps([exact(4), exact(-4)], tensors)).toEqual([]);
});

test('composePayloads() keeps the metadata of the last payload unless other metadata is given', async () => {
  const { payloads } = await chainOf([1, 2, 3]);
  const metaOf = async (meta?: { note: string }) => {
    const { payload } = await composePayloads(payloads, { tensors, ...(meta && { meta }) });
    return (await openPayload(payload)).header.meta;
  };
  expect(await metaOf()).toEqual({ step: 2 });
  expect(await metaOf({ note: 'all' })).toEqual({ note: 'all' });
});

test('composePayloads() is deterministic, and keeps a single payload as it is', async () => {
  const { payloads } = await chainOf([4, 5]);
  const once = await composePayloads(payloads, { tensors });
  expect((await composePayloads(payloads, { tensors: [...tensors].reverse() })).payload).toEqual(
    once.payload,
  );
  expect((await composePayloads(payloads.slice(0, 1), { tensors })).payload).toEqual(payloads[0]);
});

test('composePayloads() refuses payloads that are not consecutive', async () => {
  const { payloads } = await chainOf([6, 7, 8]);
  const [first, second, third] = payloads as [Uint8Array, Uint8Array, Uint8Array];
  const error = await errorOf(() => composePayloads([first, third], { tensors }));
  const { header } = await openPayload(second);
  expect(error.code).toBe('broken-chain');
  expect(error.facts).toMatchObject({ place: 2 });
  expect(String(error.facts.expected)).toMatch(/^[0-9a-f]{32}$/);
  expect(header.base).not.toEqual(header.next);
  expect(await codeOf(() => composePayloads([second, first], { tensors }))).toBe('broken-chain');
});

test('composePayloads() refuses tensors of another model, damaged payloads, and an empty list', async () => {
  const { payloads } = await chainOf([9, 10]);
  const [first] = payloads as [Uint8Array];
  expect(await codeOf(() => composePayloads(payloads, { tensors: tensors.slice(1) }))).toBe('wrong-layout');
  expect(await codeOf(() => composePayloads([first.slice(0, -1)], { tensors }))).toBe('corrupt-payload');
  await expect(composePayloads([], { tensors })).rejects.toThrow(RangeError);
});

test('composePayloads() keeps the ops of all parts in order', async () => {
  const { payloads } = await chainOf([11, 12]);
  const kinds = async (payload: Uint8Array) =>
    (await decodePayload(payload, tensors)).diff.ops.map(({ kind }) => kind);
  const parts = (await Promise.all(payloads.map(kinds))).flat();
  const { payload } = await composePayloads(payloads, { tensors });
  expect(parts.length).toBeGreaterThan(1);
  expect((await kinds(payload)).length).toBeLessThanOrEqual(parts.length);
});
