import fc from 'fast-check';
import { expect, test } from 'vitest';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { createPatcher } from '../../src/apply/fast/create-patcher.js';
import { composePayloads } from '../../src/chain/compose-payloads.js';
import { reversePayload } from '../../src/chain/reverse-payload.js';
import { openMemoryStore } from '../../src/model/store.js';
import { byteLength, type Model } from '../../src/model/tensor.js';
import type { Op } from '../../src/payload/diff.js';
import { openPayload } from '../../src/payload/open-payload.js';
import {
  cloneModel,
  codeOf,
  expectSameModel,
  pack,
  sampleModel,
  seededBytes,
  seededTensor,
} from '../support.js';
import { randomDiff } from './random-diff.js';

const seed = fc.nat({ max: 2 ** 31 });

/** Any bits at all: NaNs with payloads, infinities, subnormals, zeros of both signs. */
function wildModel(bits: number): Model {
  const tensors = sampleModel().tensors.map((tensor, i) => ({
    ...tensor,
    bytes: seededBytes(bits + i, byteLength(tensor)),
  }));
  const special = Uint32Array.of(
    0,
    0x80000000,
    0x7f800000,
    0xff800000,
    0x7fc00001,
    0xffc12345,
    1,
    0x7f7fffff,
  );
  const bytes = new Uint8Array(special.buffer);
  return { tensors: [...tensors, { name: 'special', dtype: 'float32', shape: [8], bytes }] };
}

test('reversePayload() restores every bit of any base, for all dtypes and kinds of ops', async () => {
  const property = fc.asyncProperty(seed, seed, async (bits, ops) => {
    const base = wildModel(bits);
    const { payload, next } = await pack(base, randomDiff(base.tensors, ops));
    const back = await reversePayload(payload, base);
    const patched = cloneModel(next);
    const { fingerprint } = await applyPayload(openMemoryStore(patched), back.payload, {
      patcher: createPatcher(),
    });
    expectSameModel(patched, base);
    expect(fingerprint).toBe(back.next);
  });
  await fc.assert(property, { numRuns: 80 });
});

test('a payload and its reverse compose to one that changes nothing', async () => {
  const base = sampleModel();
  const { payload } = await pack(base, randomDiff(base.tensors, 12));
  const back = await reversePayload(payload, base);
  const { payload: circle, base: from, next: to } = await composePayloads([payload, back.payload], base);
  expect(from).toBe(to);
  const patched = cloneModel(base);
  expect((await applyPayload(openMemoryStore(patched), circle)).status).toBe('current');
  expectSameModel(patched, base);
});

const sparse: Op = {
  kind: 'sparse',
  tensor: 'conv/kernel',
  scale: 2 ** -10,
  positions: Uint32Array.of(3, 17, 40),
  levels: Int16Array.of(5, -1, 2),
};

test('reversePayload() negates ops if that is smaller, and otherwise uses exact ops alone', async () => {
  const base: Model = { tensors: [seededTensor('w', 'float32', [64, 64], 1)] };
  const levels = Int8Array.from({ length: 4096 }, (_, i) => ((i * 7) % 5) - 2);
  const buckets = { coding: 'levels' as const, values: Int8Array.of(1, -1, 0, 1, 2) };
  const hash: Op = { kind: 'hash', tensors: [{ tensor: 'w', scale: 2 ** -12 }], seed: 1, block: 1, buckets };
  const small = await reversePayload((await pack(base, { ops: [hash] })).payload, base);
  expect(small.way).toBe('negated');
  const lost = { ...hash, tensors: [{ tensor: 'w', scale: 2 ** 40 }] };
  const dense: Op = { kind: 'dense', tensor: 'w', scale: 2 ** 50, levels };
  const large = await reversePayload((await pack(base, { ops: [lost, dense] })).payload, base);
  expect(large.exactWeights).toBeGreaterThan(3_000);
});

test('reversePayload() uses exact ops alone where negated ones and corrections are too many for a tensor', async () => {
  const base: Model = { tensors: [seededTensor('w', 'float32', [300], 1)] };
  const levels = Int8Array.from({ length: 300 }, (_, i) => (i % 5) - 2);
  const op: Op = { kind: 'dense', tensor: 'w', scale: 0.0078125, levels };
  const ops = Array.from({ length: 16 }, (_, i): Op => ({ ...op, scale: op.scale * 2 ** (i % 3) }));
  expect((await reversePayload((await pack(base, { ops })).payload, base)).way).toBe('exact');
});

test('reversePayload() stores the given metadata, and none by default', async () => {
  const base = sampleModel();
  const { payload } = await pack(base, { ops: [sparse] }, { step: 3 });
  const metaOf = async (bytes: Uint8Array) => (await openPayload(bytes)).header.meta;
  expect(await metaOf((await reversePayload(payload, base)).payload)).toEqual({});
  expect(await metaOf((await reversePayload(payload, base, { back: 1 })).payload)).toEqual({ back: 1 });
});

test('reversePayload() refuses other bases, other models and damage', async () => {
  const base = sampleModel();
  const { payload, next } = await pack(base, { ops: [sparse] });
  expect(await codeOf(() => reversePayload(payload, next))).toBe('wrong-base');
  expect(await codeOf(() => reversePayload(payload, { tensors: base.tensors.slice(1) }))).toBe(
    'wrong-layout',
  );
  expect(await codeOf(() => reversePayload(payload.slice(0, -1), base))).toBe('corrupt-payload');
});
