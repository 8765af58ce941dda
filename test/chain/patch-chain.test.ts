import { expect, test } from 'vitest';
import { patchChain } from '../../src/chain/patch-chain.js';
import { fingerprint } from '../../src/model/fingerprint.js';
import { openMemoryStore } from '../../src/model/store.js';
import type { Model } from '../../src/model/tensor.js';
import { encodePayload } from '../../src/payload/encode.js';
import {
  cloneModel,
  codeOf,
  expectSameModel,
  pack,
  patchModel,
  recordStore,
  sampleModel,
} from '../support.js';
import { randomDiff } from './random-diff.js';

const base = sampleModel();
const diffs = [20, 21, 22].map((seed) => randomDiff(base.tensors, seed));
const models: Model[] = [base];
const payloads: Uint8Array[] = [];
for (const diff of diffs) {
  const { payload, next } = await pack(models.at(-1) as Model, diff);
  payloads.push(payload);
  models.push(next);
}
const [first, second] = payloads as [Uint8Array, Uint8Array];

/** Patches a copy of the base that must stay as it is. */
async function codeOfRefusal(chain: readonly Uint8Array[]): Promise<string> {
  const copy = cloneModel(base);
  const store = recordStore(openMemoryStore(copy));
  const code = await codeOf(() => patchChain(store, chain));
  expect(store.counts.writes).toBe(0);
  expectSameModel(copy, base);
  return code;
}

test('patchChain() applies payloads one after the other', async () => {
  for (let count = 0; count <= payloads.length; count++) {
    const copy = cloneModel(base);
    const found = await patchChain(openMemoryStore(copy), payloads.slice(0, count));
    expectSameModel(copy, models[count] as Model);
    expect(found).toEqual(await fingerprint(openMemoryStore(models[count] as Model)));
  }
});

test('patchChain() writes only tensors that payloads change', async () => {
  const op = {
    kind: 'exact',
    tensor: 'ids',
    positions: Uint32Array.of(2),
    levels: Int32Array.of(1),
  } as const;
  const { payload } = await pack(base, { ops: [op] });
  const store = recordStore(openMemoryStore(cloneModel(base)));
  await patchChain(store, [payload]);
  expect(store.counts).toMatchObject({ writes: 1, bytesWritten: 24 });
});

test('patchChain() refuses payloads that are not consecutive, and writes nothing', async () => {
  expect(await codeOfRefusal([second])).toBe('wrong-base');
  expect(await codeOfRefusal([first, first])).toBe('broken-chain');
  expect(await codeOfRefusal([first, second.slice(0, -1)])).toBe('corrupt-payload');
  const other = { tensors: base.tensors.slice(1) };
  const foreign = await pack(other, { ops: [] });
  expect(await codeOfRefusal([foreign.payload])).toBe('wrong-base');
});

test('patchChain() refuses a payload with an unexpected result', async () => {
  const facts = {
    base: await fingerprint(openMemoryStore(base)),
    next: '00'.repeat(16),
    tensors: base.tensors,
    meta: {},
  };
  const diff = randomDiff(base.tensors, 21);
  expect(patchModel(base, diff)).not.toEqual(base);
  expect(await codeOfRefusal([await encodePayload(facts, diff)])).toBe('result-mismatch');
});
