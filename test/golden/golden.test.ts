import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { applyPayload, planApply } from '../../src/apply/index.js';
import { type DType, type Model, openMemoryStore } from '../../src/model/index.js';
import { encodePayload } from '../../src/payload/encode.js';
import { decodePayload, type Meta, openPayload } from '../../src/payload/index.js';
import { cloneModel, codeOf, expectSameModel, recordStore } from '../support.js';

/** Hexadecimal digits, or those of the runs that are not zero, by offset. */
type DescribedBytes = string | { length: number; runs: Record<string, string> };

interface DescribedModel {
  readonly fingerprint: string;
  readonly tensors: readonly { name: string; dtype: DType; shape: number[]; bytes: DescribedBytes }[];
}

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

const root = new URL('.', import.meta.url).pathname;
const cases = (group: string) => readdirSync(join(root, group)).sort();
const payloadOf = (folder: string) => new Uint8Array(readFileSync(join(root, folder, 'payload.ndiff')));
const factsOf = <T>(folder: string): T =>
  JSON.parse(readFileSync(join(root, folder, 'facts.json'), 'utf8')) as T;

function bytesOf(described: DescribedBytes): Uint8Array {
  if (typeof described === 'string') return new Uint8Array(Buffer.from(described, 'hex'));
  const bytes = new Uint8Array(described.length);
  for (const [at, run] of Object.entries(described.runs)) bytes.set(Buffer.from(run, 'hex'), Number(at));
  return bytes;
}

const modelOf = ({ tensors }: DescribedModel): Model => ({
  tensors: tensors.map(({ bytes, ...info }) => ({
    ...info,
    bytes: bytesOf(bytes),
  })),
});

/** An op as the facts describe it. */
function describeOp(op: object): unknown {
  return JSON.parse(
    JSON.stringify(op, (_, value) => (ArrayBuffer.isView(value) ? Array.from(value as Int8Array) : value)),
  );
}

test('golden files are there, so that a wrong folder cannot pass', () => {
  expect(cases('accept').length).toBeGreaterThan(10);
  expect(cases('refuse').length).toBeGreaterThan(50);
});

describe.each(cases('accept'))('golden payload "%s"', (name) => {
  const payload = payloadOf(`accept/${name}`);
  const facts = factsOf<AcceptFacts>(`accept/${name}`);

  test('decodes to the facts beside it', async () => {
    const { header, diff } = await decodePayload(payload, modelOf(facts.base).tensors);
    expect(Buffer.from(header.base).toString('hex')).toBe(facts.base.fingerprint);
    expect(Buffer.from(header.next).toString('hex')).toBe(facts.next.fingerprint);
    expect(payload).toHaveLength(facts.payload.bytes);
    expect(header.layout).toBe(facts.payload.layout);
    const { records } = await openPayload(payload);
    expect(records.map(({ kind }) => kind)).toEqual(facts.payload.records);
    expect(header.meta).toEqual(facts.payload.meta);
    expect(diff.ops.map(describeOp)).toEqual(facts.payload.ops);
  });

  test('encodes to the same bytes again, or to no more where positions were coded in a given way', async () => {
    const { tensors } = modelOf(facts.base);
    const { header, diff } = await decodePayload(payload, tensors);
    const encoded = await encodePayload({ ...header, tensors }, diff);
    if (facts.payload.isChosenByEncoder) expect(encoded).toEqual(payload);
    expect(encoded.length).toBeLessThanOrEqual(payload.length);
  });

  test('makes next of base', async () => {
    const model = modelOf(facts.base);
    expect((await planApply(openMemoryStore(model), payload)).found).toBe(facts.base.fingerprint);
    const { fingerprint } = await applyPayload(openMemoryStore(model), payload);
    expect(fingerprint).toBe(facts.next.fingerprint);
    expectSameModel(model, modelOf(facts.next));
  });
});

test.each(cases('refuse'))(
  'golden payload "%s" is refused with its code, the model untouched',
  async (name) => {
    const { code, model: described } = factsOf<{ code: string; model: DescribedModel }>(`refuse/${name}`);
    const model = modelOf(described);
    const before = cloneModel(model);
    const store = recordStore(openMemoryStore(model));
    expect(await codeOf(() => applyPayload(store, payloadOf(`refuse/${name}`)))).toBe(code);
    expect(store.counts.writes).toBe(0);
    expectSameModel(model, before);
  },
);
