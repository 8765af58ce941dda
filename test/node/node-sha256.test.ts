import { expect, test } from 'vitest';
import { fingerprint, sha256 } from '../../src/model/fingerprint.js';
import { openMemoryStore } from '../../src/model/store.js';
import type { Model } from '../../src/model/tensor.js';
import { nodeSha256 } from '../../src/node/node-sha256.js';
import { offsetView, seededBytes } from '../support.js';

const LENGTHS = [0, 1, 55, 56, 63, 64, 65, 1_024, 16_383, 16_384, 16_385, 2 ** 20 - 1, 2 ** 20, 2 ** 20 + 1];

/** Large enough that its digests alone take far longer than a slice between two yields. */
const MANY: Model = {
  tensors: Array.from({ length: 20_000 }, (_, i) => ({
    ...{ name: `t${i}`, dtype: 'uint8' as const, shape: [256] },
    bytes: new Uint8Array(256).fill(i),
  })),
};

test.each(LENGTHS)('nodeSha256() of %i bytes is that of the runtime', async (length) => {
  const bytes = offsetView(seededBytes(length + 1, length));
  const digest = await nodeSha256(bytes);
  expect(digest).toEqual(await sha256(bytes));
  expect(digest.length).toBe(32);
});

test('fingerprint() with nodeSha256() equals that of the runtime, for tensors around a chunk', async () => {
  const tensors = LENGTHS.map((length) => ({
    ...{ name: `t${length}`, dtype: 'uint8' as const, shape: [length] },
    bytes: seededBytes(length + 1, length),
  }));
  const store = openMemoryStore({ tensors });
  expect(await fingerprint(store, { sha256: nodeSha256 })).toBe(await fingerprint(store));
});

test('fingerprint() of many small tensors lets other tasks run', async () => {
  let ticks = 0;
  const timer = setInterval(() => ticks++);
  await fingerprint(openMemoryStore(MANY), { sha256: nodeSha256 });
  clearInterval(timer);
  expect(ticks).toBeGreaterThan(0);
});

test('fingerprint() of many small tensors stops when another task aborts it', async () => {
  const controller = new AbortController();
  setTimeout(() => controller.abort(new Error('stopped')));
  const work = fingerprint(openMemoryStore(MANY), { sha256: nodeSha256, signal: controller.signal });
  await expect(work).rejects.toThrow('stopped');
});
