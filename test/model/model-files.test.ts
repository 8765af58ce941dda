import { expect, test } from 'vitest';
import { openMemoryFiles, openOverlay } from '../../src/model/model-files.js';
import { codeOf, seededBytes } from '../support.js';

test('openOverlay() shows writes and leaves the folder beneath alone', async () => {
  const [a, b] = [seededBytes(1, 10), seededBytes(2, 20)];
  const files = new Map([
    ['a', a.slice()],
    ['b', b.slice()],
  ]);
  const overlay = openOverlay(openMemoryFiles(files));
  await overlay.write('a', 3, Uint8Array.of(7, 8));
  await overlay.write('a', 9, Uint8Array.of(9));
  await overlay.flush();
  const read = async (path: string, offset: number, length: number) => {
    const target = new Uint8Array(length);
    await overlay.readInto(path, offset, target);
    return Array.from(target);
  };
  expect(await read('a', 2, 4)).toEqual([a[2], 7, 8, a[5]]);
  expect(await read('a', 9, 1)).toEqual([9]);
  expect(await read('b', 0, 20)).toEqual(Array.from(b));
  expect([await overlay.size('a'), await overlay.size('b')]).toEqual([10, 20]);
  expect(files.get('a')).toEqual(a);
  expect(await codeOf(() => overlay.write('c', 0, a))).toBe('file-not-found');
  await overlay.close();
});
