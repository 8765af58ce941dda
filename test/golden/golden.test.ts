import { describe, expect, test } from 'vitest';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { createFastPatcher } from '../../src/apply/fast/create-patcher.js';
import { planApply } from '../../src/apply/plan.js';
import { hex } from '../../src/model/bytes.js';
import { openMemoryStore } from '../../src/model/store.js';
import { decodePayload } from '../../src/payload/decode.js';
import type { Meta } from '../../src/payload/diff.js';
import { encodePayload } from '../../src/payload/encode.js';
import { openPayload } from '../../src/payload/open-payload.js';
import { makeFilesOf } from '../exact-diff/files/make-files.js';
import { cloneModel, codeOf, expectSameModel, recordStore } from '../support.js';
import {
  type DescribedBytes,
  type DescribedModel,
  goldenBytes,
  goldenCases,
  goldenFacts,
  goldenModel,
  goldenPayload,
} from './facts.js';

const patcher = createFastPatcher();

interface AcceptFacts {
  readonly payload: {
    bytes: number;
    layout: number;
    records: string[];
    isChosenByEncoder: boolean;
    meta: Meta;
    ops: readonly Record<string, unknown>[];
  };
  readonly base: DescribedModel;
  readonly next: DescribedModel;
}

/** An op as the facts describe it. */
function describeOp(op: object): unknown {
  return JSON.parse(JSON.stringify(op, (_, value) => describeArray(value)));
}

function describeArray(value: unknown): unknown {
  if (value instanceof Uint8Array) return hex(value);
  return ArrayBuffer.isView(value) ? Array.from(value as Int8Array) : value;
}

/** An op of the facts, its bytes in full. */
function spellOut(op: Record<string, unknown>): unknown {
  return 'bytes' in op ? { ...op, bytes: hex(goldenBytes(op.bytes as DescribedBytes)) } : op;
}

test('golden files are there, so that a wrong folder cannot pass', () => {
  expect(goldenCases('accept').length).toBeGreaterThan(10);
  expect(goldenCases('refuse').length).toBeGreaterThan(50);
});

describe.each(goldenCases('accept'))('golden payload "%s"', (name) => {
  const payload = goldenPayload(`accept/${name}`);
  const facts = goldenFacts<AcceptFacts>(`accept/${name}`);

  test('decodes to the recorded facts', async () => {
    const { header, diff } = await decodePayload(payload, goldenModel(facts.base).tensors);
    expect(header.base).toBe(facts.base.fingerprint);
    expect(header.next).toBe(facts.next.fingerprint);
    expect(payload).toHaveLength(facts.payload.bytes);
    expect(header.layout).toBe(facts.payload.layout);
    const { records } = await openPayload(payload);
    expect(records.map(({ kind }) => kind)).toEqual(facts.payload.records);
    expect(header.meta).toEqual(facts.payload.meta);
    expect(diff.ops.map(describeOp)).toEqual(facts.payload.ops.map(spellOut));
  });

  test('encodes to the same bytes again, or to no more where positions were coded in a given way', async () => {
    const { tensors } = goldenModel(facts.base);
    const { header, diff } = await decodePayload(payload, tensors);
    const encoded = await encodePayload({ ...header, tensors }, diff);
    if (facts.payload.isChosenByEncoder) expect(encoded).toEqual(payload);
    // A diff has no base: it is encoded without delta records.
    if (!facts.payload.records.includes('delta')) expect(encoded.length).toBeLessThanOrEqual(payload.length);
  });

  test('makes next of base, in plain arithmetic and in WebAssembly', async () => {
    const model = goldenModel(facts.base);
    expect((await planApply(openMemoryStore(model), payload)).found).toBe(facts.base.fingerprint);
    const { fingerprint } = await applyPayload(openMemoryStore(model), payload);
    expect(fingerprint).toBe(facts.next.fingerprint);
    expectSameModel(model, goldenModel(facts.next));
    const other = goldenModel(facts.base);
    await applyPayload(openMemoryStore(other), payload, { patcher });
    expectSameModel(other, model);
    expect((await planApply(openMemoryStore(model), payload)).status).toBe('current');
  });
});

interface FilesFacts {
  readonly payload: { bytes: number; layout: number; records: string[]; facts: object };
  readonly base: DescribedModel & { structure: string };
  readonly next: { fingerprint: string; files: { path: string; bytes: string }[] };
}

test.each(goldenCases('files'))('golden payload "%s" makes the recorded files', async (name) => {
  const payload = goldenPayload(`files/${name}`);
  const facts = goldenFacts<FilesFacts>(`files/${name}`);
  const structure = new Uint8Array(Buffer.from(facts.base.structure, 'hex'));
  const parts = async () => ({ paths: [], places: [], structure: async () => structure });
  const base = { ...openMemoryStore(goldenModel(facts.base)), parts };
  const plan = await planApply(base, payload);
  expect(plan).toMatchObject({ status: 'ready', base: facts.base.fingerprint, next: facts.next.fingerprint });
  expect(plan.files).toMatchObject(facts.payload.facts);
  const { header, records } = await openPayload(payload);
  expect([payload.length, header.layout]).toEqual([facts.payload.bytes, facts.payload.layout]);
  expect(records.map(({ kind }) => kind)).toEqual(facts.payload.records);
  const { made, result } = await makeFilesOf(base, payload);
  expect(Array.from(made, ([path, bytes]) => ({ path, bytes: hex(bytes) }))).toEqual(facts.next.files);
  expect(result.fingerprint).toBe(facts.next.fingerprint);
});

test.each(goldenCases('refuse'))(
  'golden payload "%s" is refused with its code, the model untouched',
  async (name) => {
    const { code, model: described } = goldenFacts<{ code: string; model: DescribedModel }>(`refuse/${name}`);
    const model = goldenModel(described);
    const before = cloneModel(model);
    const store = recordStore(openMemoryStore(model));
    const payload = goldenPayload(`refuse/${name}`);
    expect(await codeOf(() => applyPayload(store, payload))).toBe(code);
    expect(await codeOf(() => applyPayload(store, payload, { patcher }))).toBe(code);
    expect(store.counts.writes).toBe(0);
    expectSameModel(model, before);
  },
);
