import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { planApply } from '../../src/apply/plan.js';
import { fingerprint } from '../../src/model/fingerprint.js';
import { openLayersStore } from '../../src/model/layers-store.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import type { Progress } from '../../src/model/progress.js';
import { copyModel, openMemoryStore, type WeightStore } from '../../src/model/store.js';
import type { Model } from '../../src/model/tensor.js';
import type { Diff, SparseOp } from '../../src/payload/diff.js';
import { modelAndDiff, SMALL_DIFFS, smallBase } from '../payload/samples.js';
import {
  cloneModel,
  codeOf,
  concat,
  errorOf,
  expectSameModel,
  offsetView,
  pack,
  recordStore,
  seededTensor,
} from '../support.js';

const several = SMALL_DIFFS.several as Diff;
const MEBIBYTE = 2 ** 20;

/** A base of two and a half chunks, one small tensor, and a diff that changes three far-apart weights. */
function largeSample(): { base: Model; diff: Diff } {
  const base = {
    tensors: [seededTensor('small', 'int8', [5]), seededTensor('wide', 'float32', [655_360], 4)],
  };
  const op: SparseOp = {
    kind: 'sparse',
    tensor: 'wide',
    positions: Uint32Array.of(0, 262_143, 600_000),
    levels: Int16Array.of(1, -2, 1),
    scale: 0.5,
  };
  return { base, diff: { ops: [op] } };
}

const identify = async (model: Model) => await fingerprint(openMemoryStore(model));

test('applyPayload() gives next, bit for bit, for any base and diff', async () => {
  await fc.assert(
    fc.asyncProperty(modelAndDiff, async ({ base, diff }) => {
      const { payload, next } = await pack(base, diff);
      const model = cloneModel(base);
      const result = await applyPayload(openMemoryStore(model), payload);
      expectSameModel(model, next);
      expect(result.fingerprint).toBe(await identify(next));
      const changed = (await identify(base)) !== (await identify(next));
      expect(result.status).toBe(changed ? 'applied' : 'current');
    }),
  );
});

test.each(Object.keys(SMALL_DIFFS))(
  'applyPayload() of kind "%s" a second time writes nothing',
  async (kind) => {
    const { payload, next } = await pack(smallBase(), SMALL_DIFFS[kind] as Diff);
    const model = smallBase();
    await applyPayload(openMemoryStore(model), payload);
    const store = recordStore(openMemoryStore(model));
    const result = await applyPayload(store, payload);
    expect(result.status).toBe('current');
    expect(result.fingerprint).toBe(await identify(next));
    expect(store.counts).toEqual({ reads: 3, writes: 0, bytesWritten: 0, flushes: 0 });
    expectSameModel(model, next);
  },
);

test('applyPayload() takes a payload and tensors that are views with an offset', async () => {
  const { payload, next } = await pack(smallBase(), several);
  const tensors = smallBase().tensors.map((tensor) => ({ ...tensor, bytes: offsetView(tensor.bytes, 3) }));
  await applyPayload(openMemoryStore({ tensors }), offsetView(payload, 3));
  expect(tensors.map(({ bytes }) => [...bytes])).toEqual(next.tensors.map(({ bytes }) => [...bytes]));
});

test('applyPayload() takes a store that lists its tensors in another order', async () => {
  const { payload, next } = await pack(smallBase(), several);
  const model = { tensors: [...smallBase().tensors].reverse() };
  await applyPayload(openMemoryStore(model), payload);
  expect(await identify(model)).toBe(await identify(next));
});

test.each([1, 37, 255])('applyPayload() patches a layers model in shards of %d bytes', async (shardBytes) => {
  const { payload, next } = await pack(smallBase(), several);
  const all = concat(...smallBase().tensors.map(({ bytes }) => bytes));
  const files = new Map<string, Uint8Array>();
  for (let at = 0; at < all.length; at += shardBytes)
    files.set(`${files.size}.bin`, all.slice(at, at + shardBytes));
  const weights = smallBase().tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
  const json = JSON.stringify({ weightsManifest: [{ paths: [...files.keys()], weights }] });
  files.set('model.json', new TextEncoder().encode(json));
  await applyPayload(await openLayersStore(openMemoryFiles(files)), payload);
  expect(await copyModel(await openLayersStore(openMemoryFiles(files)))).toEqual(next);
});

test('applyPayload() writes the pages that change, and no others', async () => {
  const { base, diff } = largeSample();
  const { payload, next } = await pack(base, diff);
  const model = cloneModel(base);
  const inner = openMemoryStore(model);
  const written: [string, number, number][] = [];
  const store: WeightStore = {
    ...inner,
    write(name, byteOffset, bytes) {
      written.push([name, byteOffset, bytes.length]);
      return inner.write(name, byteOffset, bytes);
    },
  };
  const { plan } = await applyPayload(store, payload);
  // Elements 0, 262,143 and 600,000 of four bytes lie in the pages from 0, 2^20 - 4,096 and 2,396,160 on.
  expect(written).toEqual([
    ['wide', 0, 4_096],
    ['wide', MEBIBYTE - 4_096, 4_096],
    ['wide', 2_396_160, 4_096],
  ]);
  expect(plan.bytesWritten).toBe(3 * 4_096);
  expectSameModel(model, next);
});

test('applyPayload() reports its progress from check over write to verify', async () => {
  const { base, diff } = largeSample();
  const { payload } = await pack(base, diff);
  const seen: Progress<'check' | 'write' | 'verify'>[] = [];
  const onProgress = (progress: Progress<'check' | 'write' | 'verify'>) => seen.push({ ...progress });
  await applyPayload(openMemoryStore(cloneModel(base)), payload, { onProgress });
  const [all, wide] = [5 + 4 * 655_360, 4 * 655_360];
  const steps = (phase: Progress<'check' | 'write' | 'verify'>['phase'], total: number, done: number[]) =>
    done.map((each) => ({ phase, done: each, total }));
  expect(seen).toEqual([
    ...steps('check', all, [5, 5 + MEBIBYTE, 5 + 2 * MEBIBYTE, all]),
    ...steps('write', wide, [MEBIBYTE, 2 * MEBIBYTE, wide]),
    ...steps('verify', all, [5, 5 + MEBIBYTE, 5 + 2 * MEBIBYTE, all]),
  ]);
});

test('applyPayload() reads the base twice and the result once, a chunk at a time', async () => {
  const { base, diff } = largeSample();
  const { payload } = await pack(base, diff);
  const store = recordStore(openMemoryStore(cloneModel(base)));
  await applyPayload(store, payload);
  expect(store.counts).toEqual({ reads: 4 + 3 + 4, writes: 3, bytesWritten: 3 * 4_096, flushes: 1 });
});

test('applyPayload() uses the SHA-256 that it is given, and no other', async () => {
  const { payload, next } = await pack(smallBase(), several);
  let calls = 0;
  const sha256 = async (bytes: Uint8Array) => {
    calls++;
    return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes.slice()));
  };
  const { fingerprint } = await applyPayload(openMemoryStore(smallBase()), payload, { sha256 });
  expect(fingerprint).toBe(await identify(next));
  // Two touched tensors of one chunk and one that is kept: before, after, both models; then the result.
  expect(calls).toBe(6 + 4 + 2 + 7);
});

describe('applyPayload() with an aborted signal', () => {
  const reason = new Error('enough');

  test('leaves the base alone when it is aborted before the start', async () => {
    const { payload } = await pack(smallBase(), several);
    const store = recordStore(openMemoryStore(smallBase()));
    await expect(applyPayload(store, payload, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(store.counts).toEqual({ reads: 0, writes: 0, bytesWritten: 0, flushes: 0 });
  });

  test.each([1, 2, 3, 4])(
    'leaves the base alone when it is aborted after chunk %d of the check',
    async (chunk) => {
      const { base, diff } = largeSample();
      const { payload } = await pack(base, diff);
      const controller = new AbortController();
      let chunks = 0;
      const onProgress = () => {
        if (++chunks === chunk) controller.abort(reason);
      };
      const store = recordStore(openMemoryStore(cloneModel(base)));
      await expect(applyPayload(store, payload, { signal: controller.signal, onProgress })).rejects.toBe(
        reason,
      );
      expect(store.counts).toEqual({ reads: chunk, writes: 0, bytesWritten: 0, flushes: 0 });
    },
  );

  test('goes on to the end when it is aborted after the first write', async () => {
    const { base, diff } = largeSample();
    const { payload, next } = await pack(base, diff);
    const controller = new AbortController();
    const onProgress = ({ phase }: Progress<'check' | 'write' | 'verify'>) =>
      phase === 'write' && controller.abort(reason);
    const model = cloneModel(base);
    const options = {
      signal: controller.signal,
      onProgress: (progress: Progress<'check' | 'write' | 'verify'>) => void onProgress(progress),
    };
    expect((await applyPayload(openMemoryStore(model), payload, options)).status).toBe('applied');
    expectSameModel(model, next);
  });
});

describe('applyPayload() gives storage-mismatch when', () => {
  const lies: readonly [string, (store: WeightStore) => Partial<WeightStore>][] = [
    ['the store forgets every write', () => ({ write: async () => {} })],
    [
      'the store turns one bit of a write',
      (store) => ({
        write: (name, at, bytes) =>
          store.write(
            name,
            at,
            bytes.map((byte, i) => (i === 0 ? byte ^ 1 : byte)),
          ),
      }),
    ],
    [
      'the store writes to the wrong place',
      (store) => ({ write: (name, at, bytes) => store.write(name, at, bytes.slice().reverse()) }),
    ],
  ];
  test.each(lies)('%s', async (_, lie) => {
    const { payload, next } = await pack(smallBase(), several);
    const store = openMemoryStore(smallBase());
    const error = await errorOf(() => applyPayload({ ...store, ...lie(store) }, payload));
    expect(error.code).toBe('storage-mismatch');
    expect(error.facts.expected).toBe(await identify(next));
    expect(error.facts.found).not.toBe(error.facts.expected);
  });
});

test('applyPayload() passes on what the store throws', async () => {
  const { payload } = await pack(smallBase(), several);
  const broken = new Error('the disk is gone');
  const store = openMemoryStore(smallBase());
  const reject = () => Promise.reject(broken);
  await expect(applyPayload({ ...store, readInto: reject }, payload)).rejects.toBe(broken);
  await expect(applyPayload({ ...store, write: reject }, payload)).rejects.toBe(broken);
  await expect(planApply({ ...store, readInto: reject }, payload)).rejects.toBe(broken);
  expect(await codeOf(() => applyPayload({ ...store, readInto: reject }, new Uint8Array()))).toBe(
    'not-a-payload',
  );
});

test.each(['write', 'verify'])(
  'applyPayload() finishes when a progress callback throws while it %ss',
  async (phase) => {
    const { payload, next } = await pack(smallBase(), several);
    const model = smallBase();
    const onProgress = (progress: Progress<'check' | 'write' | 'verify'>): void => {
      if (progress.phase === phase) throw new Error('no more news');
    };
    await expect(applyPayload(openMemoryStore(model), payload, { onProgress })).rejects.toThrow(
      'no more news',
    );
    expectSameModel(model, next);
  },
);
