import { expect, test } from 'vitest';
import { readRecord, writeRecord } from '../../src/storage/disk.js';
import { createFaultyDisk } from '../rig/faulty-disk.js';
import { codeOf } from '../support.js';

const textOf = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

test('readRecord() reads a record that another program replaces between its size and its content', async () => {
  for (const [before, after] of [
    ['a settled', 'b trial'],
    ['b trial', 'a settled'],
  ] as const) {
    const disk = createFaultyDisk();
    await writeRecord(disk, 'current', bytesOf(before));
    let isReplaced = false;
    const replacing = {
      ...disk,
      async size(path: string) {
        const found = await disk.size(path);
        if (!isReplaced) await writeRecord(disk, path, bytesOf(after));
        isReplaced = true;
        return found;
      },
    };
    expect(textOf(await readRecord(replacing, 'current'))).toBe(after);
  }
});

test('readRecord() refuses a damaged record at once, and returns nothing for a missing one', async () => {
  const disk = createFaultyDisk();
  await writeRecord(disk, 'current', bytesOf('a settled'));
  await disk.write('current', 0, bytesOf('b'));
  expect(await codeOf(() => readRecord(disk, 'current'))).toBe('storage-mismatch');
  expect(await readRecord(disk, 'none')).toBeUndefined();
});
