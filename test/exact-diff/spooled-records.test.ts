import { expect, test } from 'vitest';
import { createMemorySpool, SpooledRecords } from '../../src/exact-diff/spooled-records.js';
import { concatBytes } from '../../src/model/bytes.js';
import type { ByteSource } from '../../src/payload/byte-source.js';
import { codeOf, createRandom, seededBytes } from '../support.js';

/** All bytes of a source, in windows as it gives them, or shorter ones. */
function readAll(source: ByteSource, most: number): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < source.length; at += (parts.at(-1) as Uint8Array).length)
    parts.push(source.borrow(at).slice(0, most));
  return concatBytes(parts);
}

test('SpooledRecords reads records that were written concurrently', () => {
  const records = new SpooledRecords(createMemorySpool());
  const random = createRandom(1);
  const open = Array.from({ length: 3 }, () => ({
    record: records.open('exact'),
    parts: [] as Uint8Array[],
  }));
  for (let i = 0; i < 200; i++) {
    const { record, parts } = open[random() % 3] as (typeof open)[number];
    const bytes = seededBytes(i, random() % 90);
    parts.push(bytes);
    record.sink(bytes);
  }
  for (const { record, parts } of open) {
    const { kind, bytes } = record.finish();
    expect([kind, bytes.length]).toEqual(['exact', concatBytes(parts).length]);
    for (const most of [1, 7, 10_000]) expect(readAll(bytes, most)).toEqual(concatBytes(parts));
    // From the back, too.
    const last = bytes.length - 1;
    expect(bytes.borrow(last)[0]).toBe(concatBytes(parts)[last]);
    expect(bytes.borrow(0)[0]).toBe(concatBytes(parts)[0]);
  }
});

test('a diff larger than the largest payload is refused while it is coded', async () => {
  const written: number[] = [];
  const spool = { ...createMemorySpool(), write: (bytes: Uint8Array) => void written.push(bytes.length) };
  const records = new SpooledRecords(spool);
  const half = { length: 2 ** 35 } as Uint8Array;
  for (const kind of ['exact', 'set'] as const) records.open(kind).sink(half);
  expect(await codeOf(() => records.open('set').sink({ length: 1 } as Uint8Array))).toBe('limit-exceeded');
  expect(written).toEqual([2 ** 35, 2 ** 35]);
});

test('a spool in memory refuses more than 1 GiB', async () => {
  const spool = createMemorySpool();
  spool.write(seededBytes(1, 20));
  expect(await codeOf(() => spool.write({ length: 2 ** 30 } as Uint8Array))).toBe('limit-exceeded');
});
