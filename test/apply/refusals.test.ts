import { describe, expect, test } from 'vitest';
import { RecordForge } from '../../scripts/forge-record.js';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { planApply } from '../../src/apply/plan.js';
import { fingerprint } from '../../src/model/fingerprint.js';
import { openMemoryStore } from '../../src/model/store.js';
import type { Model, Tensor } from '../../src/model/tensor.js';
import type { Diff } from '../../src/payload/diff.js';
import { encodePayload } from '../../src/payload/encode.js';
import { openPayload } from '../../src/payload/open-payload.js';
import { forge, headerOf } from '../payload/forge.js';
import { SMALL_DIFFS, smallBase } from '../payload/samples.js';
import { cloneModel, codeOf, errorOf, pack, recordStore, seededTensor } from '../support.js';

const several = SMALL_DIFFS.several as Diff;
const NOTHING = { reads: 0, writes: 0, bytesWritten: 0, flushes: 0 };

const packed = async () => (await pack(smallBase(), several)).payload;

/** Applies and plans; gives the code of the error, after it has made sure that the model is untouched. */
async function refuse(model: Model, payload: Uint8Array): Promise<{ code: string; reads: number }> {
  const store = recordStore(openMemoryStore(model));
  const before = cloneModel(model);
  const code = await codeOf(() => applyPayload(store, payload));
  expect(store.counts).toEqual({ ...NOTHING, reads: store.counts.reads });
  expect(model).toEqual(before);
  return { code, reads: store.counts.reads };
}

const change = (index: number, fields: Partial<Tensor>): Model => ({
  tensors: smallBase().tensors.map((tensor, i) => (i === index ? { ...tensor, ...fields } : tensor)),
});

describe('applyPayload() refuses, before it reads a weight,', () => {
  const models: readonly [string, string, Model][] = [
    ['a missing tensor', 'wrong-layout', { tensors: smallBase().tensors.slice(0, 2) }],
    ['a model without tensors', 'wrong-layout', { tensors: [] }],
    [
      'an extra tensor',
      'wrong-layout',
      { tensors: [...smallBase().tensors, seededTensor('x', 'int8', [1])] },
    ],
    [
      'an extra empty tensor',
      'wrong-layout',
      { tensors: [...smallBase().tensors, seededTensor('x', 'int8', [0])] },
    ],
    ['a renamed tensor', 'wrong-layout', change(0, { name: 'a2' })],
    ['another dtype of the same size', 'wrong-layout', change(0, { dtype: 'int32' })],
    ['float16 for bfloat16', 'wrong-layout', change(1, { dtype: 'bfloat16' })],
    ['another shape of the same size', 'wrong-layout', change(1, { shape: [5, 2] })],
    ['another rank', 'wrong-layout', change(1, { shape: [2, 5, 1] })],
    ['another size', 'wrong-layout', change(2, seededTensor('b/重み', 'uint8', [8]))],
  ];
  test.each(models)('%s', async (_, code, model) => {
    expect(await refuse(model, await packed())).toEqual({ code, reads: 0 });
    const plan = await planApply(openMemoryStore(model), await packed());
    expect(plan.status).toBe('refused');
    expect(plan.problem?.code).toBe(code);
    expect(plan).toMatchObject({ found: '', bytesWritten: 0, tensors: [] });
  });

  test('a model without tensors, also with a payload for such a model', async () => {
    const { payload } = await pack({ tensors: [] }, { ops: [] });
    expect(await refuse({ tensors: [] }, payload)).toEqual({ code: 'empty-model', reads: 0 });
    expect((await planApply(openMemoryStore({ tensors: [] }), payload)).problem?.code).toBe('empty-model');
  });

  test('a payload that is none', async () => {
    expect(await refuse(smallBase(), new TextEncoder().encode('{}'))).toEqual({
      code: 'not-a-payload',
      reads: 0,
    });
  });
  test('a payload of a newer version', async () => {
    const payload = await forge(await headerOf(), [], 'ndiff2');
    expect(await refuse(smallBase(), payload)).toEqual({ code: 'unsupported-version', reads: 0 });
  });
  test('a truncated payload', async () => {
    const payload = (await packed()).subarray(0, -1);
    expect(await refuse(smallBase(), payload)).toEqual({ code: 'corrupt-payload', reads: 0 });
  });
  test('a payload cut anywhere, with its length and the length that its records need', async () => {
    const payload = await packed();
    const said = new Set<string>();
    for (let length = 0; length < payload.length; length++) {
      const error = await errorOf(() => openPayload(payload.subarray(0, length)));
      expect(error.code).toBe(length < 7 ? 'not-a-payload' : 'corrupt-payload');
      if (error.message.includes('truncated')) said.add(error.message.replace(/^.*has \d+ /, ''));
      if (length > payload.length - 40) expect(error.message).toContain(`it has ${length} of at least`);
    }
    expect(said).toContain(`of at least ${payload.length} bytes`);
  });
  test('a payload with one bit flipped', async () => {
    const payload = await packed();
    payload[100] = (payload[100] as number) ^ 4;
    expect(await refuse(smallBase(), payload)).toEqual({ code: 'corrupt-payload', reads: 0 });
  });
  test('a payload with more records than it says', async () => {
    const payload = await forge(await headerOf(), [Uint8Array.of(1)]);
    expect(await refuse(smallBase(), payload)).toEqual({ code: 'corrupt-payload', reads: 0 });
  });
});

test('applyPayload() refuses a record that is malformed while it reads the base, and writes nothing', async () => {
  const forged = new RecordForge(smallBase().tensors).tensors('b/kernel').head('b/kernel', { view: 9 });
  const payload = await forge(await headerOf({ kinds: [1] }), [forged.finish()]);
  expect(await refuse(smallBase(), payload)).toEqual({ code: 'corrupt-payload', reads: 2 });
  await expect(planApply(openMemoryStore(smallBase()), payload)).rejects.toMatchObject({
    code: 'corrupt-payload',
  });
});

test('applyPayload() refuses 2^32 - 1 buckets when it comes to their tensor, and writes nothing', async () => {
  const record = new RecordForge(smallBase().tensors).tensors('a').placement({ count: 2 ** 32 - 1 });
  const payload = await forge(await headerOf({ kinds: [2] }), [record.finish()]);
  expect(await refuse(smallBase(), payload)).toEqual({ code: 'limit-exceeded', reads: 0 });
});

describe('applyPayload() refuses, after it has read the base once,', () => {
  test('a base with any one bit changed', async () => {
    const payload = await packed();
    for (const [index, { bytes }] of smallBase().tensors.entries()) {
      for (let bit = 0; bit < 8 * bytes.length; bit += 7) {
        const model = smallBase();
        const target = (model.tensors[index] as Tensor).bytes;
        target[bit >> 3] = (target[bit >> 3] as number) ^ (1 << (bit & 7));
        expect(await refuse(model, payload)).toEqual({ code: 'wrong-base', reads: 3 });
      }
    }
  });

  test('another base, and says which was expected and which found', async () => {
    const model = {
      tensors: smallBase().tensors.map((tensor) => ({ ...tensor, bytes: tensor.bytes.slice().fill(1) })),
    };
    const store = openMemoryStore(model);
    const error = await errorOf(async () => applyPayload(store, await packed()));
    const [expected, found] = [
      await fingerprint(openMemoryStore(smallBase())),
      await fingerprint(openMemoryStore(model)),
    ];
    expect(error.facts).toEqual({ expected, found });
    expect(error.message).toContain(expected);
    expect(error.message).toContain(found);
    expect((await planApply(store, await packed())).found).toBe(found);
  });

  test('two tensors of equal shape whose bytes changed places', async () => {
    const base = { tensors: [seededTensor('a', 'int8', [9], 1), seededTensor('b', 'int8', [9], 2)] };
    const { payload } = await pack(base, { ops: [{ ...denseOnA, levels: new Int8Array(9).fill(1) }] });
    const [a, b] = base.tensors as [Tensor, Tensor];
    const swapped = {
      tensors: [
        { ...a, bytes: b.bytes },
        { ...b, bytes: a.bytes },
      ],
    };
    expect(await refuse(swapped, payload)).toEqual({ code: 'wrong-base', reads: 2 });
  });

  test('a payload that promises another result than it gives', async () => {
    const base = await fingerprint(openMemoryStore(smallBase()));
    const header = { base, next: '07'.repeat(16), tensors: smallBase().tensors, meta: {} };
    const payload = await encodePayload(header, several);
    expect(await refuse(smallBase(), payload)).toEqual({ code: 'result-mismatch', reads: 3 });
    const plan = await planApply(openMemoryStore(smallBase()), payload);
    expect(plan.problem?.code).toBe('result-mismatch');
    expect(plan.problem?.facts.expected).toBe('07'.repeat(16));
    expect(plan.tensors).toEqual([]);
  });

  test('a payload whose value was changed and whose checksum was repaired', async () => {
    const { next } = await pack(smallBase(), several);
    const header = {
      base: await fingerprint(openMemoryStore(smallBase())),
      next: await fingerprint(openMemoryStore(next)),
      tensors: smallBase().tensors,
      meta: {},
    };
    const payload = await encodePayload(header, { ops: several.ops.slice(0, -1) });
    expect(await refuse(smallBase(), payload)).toEqual({ code: 'result-mismatch', reads: 3 });
  });
});

const denseOnA = { kind: 'dense' as const, tensor: 'a', scale: 1 };

test('applyPayload() refuses the payload of the next release: the base comes first', async () => {
  const { next } = await pack(smallBase(), several);
  const { payload } = await pack(next, SMALL_DIFFS.sparse as Diff);
  expect(await refuse(smallBase(), payload)).toEqual({ code: 'wrong-base', reads: 3 });
});
