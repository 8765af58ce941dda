import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { applyPayload, planApply } from '../../src/apply/index.js';
import { type DType, type Model, openMemoryStore } from '../../src/model/index.js';
import { encodePayload } from '../../src/payload/encode.js';
import { decodePayload, type Meta } from '../../src/payload/index.js';
import { cloneModel, codeOf, recordStore } from '../support.js';

interface DescribedModel {
  readonly fingerprint: string;
  readonly tensors: readonly { name: string; dtype: DType; shape: number[]; bytes: string }[];
}

interface AcceptFacts {
  readonly payload: { bytes: number; meta: Meta; ops: readonly Record<string, unknown>[] };
  readonly base: DescribedModel;
  readonly next: DescribedModel;
}

const root = new URL('.', import.meta.url).pathname;
const cases = (group: string) => readdirSync(join(root, group)).sort();
const payloadOf = (folder: string) => new Uint8Array(readFileSync(join(root, folder, 'payload.ndiff')));
const factsOf = <T>(folder: string): T =>
  JSON.parse(readFileSync(join(root, folder, 'facts.json'), 'utf8')) as T;

const modelOf = ({ tensors }: DescribedModel): Model => ({
  tensors: tensors.map(({ bytes, ...info }) => ({
    ...info,
    bytes: new Uint8Array(Buffer.from(bytes, 'hex')),
  })),
});

/** An op as the facts describe it: lists that are too long for a screen by their length. */
function describeOp(op: object): unknown {
  return JSON.parse(
    JSON.stringify(op, (_, value) => {
      if (!ArrayBuffer.isView(value)) return value;
      const list = Array.from(value as Int8Array);
      return list.length > 64 ? `${list.length} values` : list;
    }),
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
    const { header, diff } = await decodePayload(payload);
    expect(Buffer.from(header.base).toString('hex')).toBe(facts.base.fingerprint);
    expect(Buffer.from(header.next).toString('hex')).toBe(facts.next.fingerprint);
    expect(payload).toHaveLength(facts.payload.bytes);
    expect(header.meta).toEqual(facts.payload.meta);
    expect(diff.ops.map(describeOp)).toEqual(facts.payload.ops);
  });

  test('encodes to the same bytes again', async () => {
    const { header, diff } = await decodePayload(payload);
    expect(await encodePayload(header, diff)).toEqual(payload);
  });

  test('makes next of base', async () => {
    const model = modelOf(facts.base);
    expect((await planApply(openMemoryStore(model), payload)).found).toBe(facts.base.fingerprint);
    const { fingerprint } = await applyPayload(openMemoryStore(model), payload);
    expect(fingerprint).toBe(facts.next.fingerprint);
    expect(model).toEqual(modelOf(facts.next));
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
    expect(model).toEqual(before);
  },
);
