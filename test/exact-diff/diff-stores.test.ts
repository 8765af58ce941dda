import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { type DiffOptions, diffStores } from '../../src/exact-diff/diff-stores.js';
import { concatBytes, equalBytes } from '../../src/model/bytes.js';
import type { Progress } from '../../src/model/progress.js';
import { copyModel, openMemoryStore } from '../../src/model/store.js';
import { DTYPES, type DType, type Model, type Tensor } from '../../src/model/tensor.js';
import { createFileSpool } from '../../src/node/file-spool.js';
import { openPayload } from '../../src/payload/open-payload.js';
import { EXHAUSTIVE } from '../exhaustive.js';
import { cloneModel, createRandom, expectSameModel, seededBytes } from '../support.js';

/** Of each width of words one, unless all are to be tested. */
const DTYPE_NAMES = (Object.keys(DTYPES) as DType[]).filter(
  (dtype) => EXHAUSTIVE || ['int8', 'float16', 'float32', 'int64'].includes(dtype),
);

/** Two chunks of a tensor, the last one short; many rows, so that a sample is not all of it. */
function large(dtype: DType, seed: number): Tensor {
  const shape = [3, 400 / DTYPES[dtype].bytes, 1_001];
  const bytes = seededBytes(seed, shape.reduce((a, b) => a * b) * DTYPES[dtype].bytes);
  return { name: dtype, dtype, shape, bytes };
}

/** Changes elements in a way that leaves whole chunks alone. */
function touch(tensor: Tensor, every: number): Tensor {
  const bytes = tensor.bytes.slice();
  const random = createRandom(every);
  for (let at = 0; at < bytes.length / 2; at += 1 + (random() % every)) bytes[at]! ^= 1;
  bytes[bytes.length - 1]! ^= 0x80;
  return { ...tensor, bytes };
}

async function diffOf(base: Model, next: Model, options: DiffOptions = {}) {
  const { pieces, ...found } = await diffStores(openMemoryStore(base), openMemoryStore(next), options);
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece.slice());
  return { payload: concatBytes(parts), ...found };
}

describe.each(DTYPE_NAMES)('diffStores() of %s in several chunks', (dtype) => {
  test.each([2, 5_000])('reproduces the next model, with a change in at most %i bytes', async (every) => {
    const base = { tensors: [large(dtype, 1)] };
    const next = { tensors: base.tensors.map((tensor) => touch(tensor, every)) };
    const { payload, payloadBytes, next: promised } = await diffOf(base, next);
    expect(payload.length).toBe(payloadBytes);
    const store = openMemoryStore(cloneModel(base));
    const { status, fingerprint } = await applyPayload(store, payload);
    expect([status, fingerprint]).toEqual(['applied', promised]);
    expectSameModel(await copyModel(store), next);
  });
});

const some = (): { base: Model; next: Model } => {
  const base = { tensors: [large('float32', 2), { ...large('bfloat16', 3), name: 'b' }] };
  return { base, next: { tensors: base.tensors.map((tensor) => touch(tensor, 3)) } };
};

test('diffStores() yields the same bytes through a temporary file, which is removed', async () => {
  const { base, next } = some();
  const folder = mkdtempSync(join(tmpdir(), 'neural-diff-spool-'));
  const spool = createFileSpool(join(folder, 'update.ndiff'));
  const { payload } = await diffOf(base, next, { spool });
  spool.close();
  // Element by element such a comparison takes half a minute.
  expect(equalBytes(payload, (await diffOf(base, next)).payload)).toBe(true);
  expect(payload.length).toBeGreaterThan(2 ** 17);
  expect(readdirSync(folder)).toEqual([]);
});

test('diffStores() reports all bytes of each phase', async () => {
  const { base, next } = some();
  const reports: Progress[] = [];
  await diffOf(base, next, { onProgress: (report) => reports.push(report) });
  for (const phase of ['compare', 'encode', 'check'] as const) {
    const own = reports.filter((report) => report.phase === phase);
    const done = own.map((report) => report.done);
    expect(done).toEqual([...done].sort((a, b) => a - b));
    expect(own.at(-1)?.done).toBe(base.tensors.reduce((sum, { bytes }) => sum + bytes.length, 0));
    expect(own.every(({ total }) => total === own.at(-1)?.done)).toBe(true);
  }
});

test.each(['compare', 'encode', 'check'] as const)('diffStores() stops in phase %s', async (phase) => {
  const { base, next } = some();
  const stop = new AbortController();
  const onProgress = (report: Progress): void => {
    if (report.phase === phase) stop.abort(new Error('enough'));
  };
  await expect(diffOf(base, next, { signal: stop.signal, onProgress })).rejects.toThrow('enough');
});

test('diffStores() codes replaced tensors in tables, next to few differences of others', async () => {
  const base = { tensors: [large('float32', 2), large('bfloat16', 3), { ...large('int8', 4), name: 'z' }] };
  const [first, second, third] = base.tensors as [Tensor, Tensor, Tensor];
  const scattered = (tensor: Tensor, seed: number): Tensor => {
    // Exponents of weights: few of all.
    const bytes = seededBytes(seed, tensor.bytes.length);
    const step = DTYPES[tensor.dtype].bytes;
    for (let i = step - 1; i < bytes.length; i += step) bytes[i] = ((bytes[i] as number) & 0x80) | 0x3d;
    return { ...tensor, bytes };
  };
  const from = { tensors: [scattered(first, 5), scattered(second, 6), third] };
  const next = { tensors: [scattered(first, 7), scattered(second, 8), touch(third, 5_000)] };
  const { payload, changedTensors } = await diffOf(from, next);
  const { records } = await openPayload(payload);
  expect([changedTensors, records.map(({ kind }) => kind)]).toEqual([3, ['delta', 'exact']]);
  const store = openMemoryStore(cloneModel(from));
  await applyPayload(store, payload);
  expectSameModel(await copyModel(store), next);
});
