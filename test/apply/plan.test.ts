import { expect, test } from 'vitest';
import { changedRuns, eachChunk } from '../../src/apply/chunks.js';
import { planApply } from '../../src/apply/plan.js';
import { fingerprint } from '../../src/model/fingerprint.js';
import { openMemoryStore } from '../../src/model/store.js';
import type { Diff } from '../../src/payload/diff.js';
import { openPayload } from '../../src/payload/open-payload.js';
import { SMALL_DIFFS, smallBase } from '../payload/samples.js';
import { pack, recordStore, sampleModel, seededTensor } from '../support.js';

const several = SMALL_DIFFS.several as Diff;

test('planApply() says what would be done to which tensor, and does none of it', async () => {
  const { payload, next } = await pack(smallBase(), several, { note: 'second week', step: 7 });
  const store = recordStore(openMemoryStore(smallBase()));
  const base = await fingerprint(openMemoryStore(smallBase()));
  expect(await planApply(store, payload)).toEqual({
    status: 'ready',
    base,
    next: await fingerprint(openMemoryStore(next)),
    found: base,
    payloadBytes: payload.length,
    modelBytes: 24 + 20 + 7,
    bytesWritten: 24 + 20,
    runs: 2,
    tensors: [
      { name: 'a', ops: ['hash', 'dense'], bytesRead: 24, bytesWritten: 24 },
      { name: 'b/kernel', ops: ['hash', 'sparse', 'sparse'], bytesRead: 20, bytesWritten: 20 },
    ],
    meta: { note: 'second week', step: 7 },
  });
  expect(store.counts).toEqual({ reads: 3, writes: 0, bytesWritten: 0, flushes: 0 });
});

test('planApply() finds that the model is the next one already', async () => {
  const { payload, next } = await pack(smallBase(), several);
  const plan = await planApply(openMemoryStore(next), payload);
  expect(plan.status).toBe('current');
  expect(plan.problem).toBeUndefined();
  expect(plan.found).toBe(plan.next);
  expect(plan.bytesWritten).toBe(0);
});

test('planApply() foretells the same twice, as JSON', async () => {
  const { payload } = await pack(smallBase(), several);
  const [first, second] = [
    await planApply(openMemoryStore(smallBase()), payload),
    await planApply(openMemoryStore(smallBase()), payload),
  ];
  expect(JSON.stringify(first)).toBe(JSON.stringify(second));
});

test('eachChunk() walks in canonical order, gives empty tensors one chunk, and patches touched ones only', async () => {
  const diff: Diff = {
    ops: [{ kind: 'dense', tensor: 'half', scale: 1, levels: new Int8Array(35).fill(1) }],
  };
  const { payload } = await pack(sampleModel(), diff);
  const store = openMemoryStore(sampleModel());
  const seen: [string, number, boolean][] = [];
  await eachChunk({ store, payload: await openPayload(payload) }, ({ info, before, after, isLast }) => {
    expect(isLast).toBe(true);
    seen.push([info.name, before.length, before !== after]);
  });
  expect(seen).toEqual([
    ['brain', 66, false],
    ['bytes', 18, false],
    ['conv/bias', 16, false],
    ['conv/kernel', 288, false],
    ['größe/重み😀', 4, false],
    ['half', 70, true],
    ['ids', 24, false],
    ['none', 0, false],
    ['table', 40, false],
  ]);
});

test('changedRuns() joins neighbouring pages and ends with the chunk', () => {
  const before = new Uint8Array(5 * 4_096 + 10);
  const runs = (...changed: number[]) => {
    const after = before.slice();
    for (const at of changed) after[at] = 1;
    const info = seededTensor('a', 'int8', [1]);
    return changedRuns({ info, byteOffset: 0, kinds: [], before, after, isLast: true });
  };
  expect(runs()).toEqual([]);
  expect(runs(0, 4_095)).toEqual([{ start: 0, end: 4_096 }]);
  expect(runs(4_095, 4_096)).toEqual([{ start: 0, end: 8_192 }]);
  expect(runs(1, 8_192, 5 * 4_096)).toEqual([
    { start: 0, end: 4_096 },
    { start: 8_192, end: 12_288 },
    { start: 5 * 4_096, end: 5 * 4_096 + 10 },
  ]);
  const shared = new Uint8Array(9);
  expect(
    changedRuns({
      info: seededTensor('a', 'int8', [9]),
      byteOffset: 0,
      kinds: [],
      before: shared,
      after: shared,
      isLast: true,
    }),
  ).toEqual([]);
});
