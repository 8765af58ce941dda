import { mkdtempSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createFileSpool } from '../../src/node/file-spool.js';
import { writeOutput } from '../../src/node/output.js';
import { openPayloadFile, readPayload } from '../../src/node/read-payload.js';
import { joinBytes } from '../../src/payload/byte-source.js';
import { codeOf, seededBytes } from '../support.js';

const folder = mkdtempSync(join(tmpdir(), 'neural-diff-payload-'));
const at = (name: string): string => join(folder, name);

test('openPayloadFile() gives a file of several windows', async () => {
  const bytes = seededBytes(1, 700_001);
  writeFileSync(at('a.ndiff'), bytes);
  const file = await openPayloadFile(at('a.ndiff'));
  expect(joinBytes(file)).toEqual(bytes);
  expect(file.borrow(699_999)).toEqual(bytes.subarray(699_999));
  const buffer = new Uint8Array(1_000);
  expect(file.borrow(5, buffer)).toEqual(bytes.subarray(5, 1_005));
  expect(file.borrow(699_500, buffer)).toEqual(bytes.subarray(699_500));
  expect(buffer.subarray(0, 501)).toEqual(bytes.subarray(699_500));
  file.close();
});

test('openPayloadFile() refuses what is not there, too large, or becomes shorter', async () => {
  expect(await codeOf(() => openPayloadFile(at('none.ndiff')))).toBe('file-not-found');
  writeFileSync(at('huge.ndiff'), '');
  truncateSync(at('huge.ndiff'), 2 ** 30 + 1);
  expect(await codeOf(() => readPayload(at('huge.ndiff')))).toBe('limit-exceeded');
  truncateSync(at('huge.ndiff'), 2 ** 36 + 1);
  expect(await codeOf(() => openPayloadFile(at('huge.ndiff')))).toBe('limit-exceeded');
  writeFileSync(at('b.ndiff'), 'abcdef');
  const file = await openPayloadFile(at('b.ndiff'));
  truncateSync(at('b.ndiff'), 2);
  expect(await codeOf(() => file.borrow(3))).toBe('file-unreadable');
  file.close();
});

test('createFileSpool() refuses a folder that is not there', async () => {
  expect(await codeOf(() => createFileSpool(at('none/update.ndiff')))).toBe('file-not-found');
});

test('writeOutput() writes pieces, and nothing when they break off', async () => {
  async function* pieces(isWhole: boolean): AsyncGenerator<Uint8Array> {
    yield seededBytes(1, 10);
    if (!isWhole) throw new Error('broken off');
    yield seededBytes(2, 100_000);
  }
  await writeOutput(at('c.ndiff'), pieces(true));
  const file = await openPayloadFile(at('c.ndiff'));
  expect(joinBytes(file)).toEqual(Uint8Array.of(...seededBytes(1, 10), ...seededBytes(2, 100_000)));
  file.close();
  await expect(writeOutput(at('d.ndiff'), pieces(false))).rejects.toThrow('broken off');
  expect(await codeOf(() => openPayloadFile(at('d.ndiff')))).toBe('file-not-found');
});
