import { mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { withFileErrors } from '../../src/node/file-errors.js';
import { openFolder } from '../../src/node/folder.js';
import { openModel } from '../../src/node/open-model.js';
import { readPayload } from '../../src/node/read-payload.js';

let root: string;
let folder: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'neural-diff-node-'));
  folder = join(root, 'model');
  mkdirSync(join(folder, 'sub'), { recursive: true });
  writeFileSync(join(folder, 'a.bin'), 'abcdef');
  writeFileSync(join(root, 'secret.bin'), 'secret');
});

test('openFolder() reads and writes ranges of files, flushes and closes', async () => {
  const files = await openFolder(folder, { writable: true });
  const buffer = new Uint8Array(8).subarray(2, 5);
  await files.readInto('a.bin', 1, buffer);
  expect(Buffer.from(buffer).toString()).toBe('bcd');
  await files.write('a.bin', 4, new TextEncoder().encode('..XY').subarray(2));
  await files.flush();
  expect([await files.size('a.bin'), readFileSync(join(folder, 'a.bin'), 'utf8')]).toEqual([6, 'abcdXY']);
  await files.close();
});

test('openFolder() refuses to write unless it was opened for writing', async () => {
  const files = await openFolder(folder);
  await expect(files.write('a.bin', 0, new Uint8Array(1))).rejects.toMatchObject({ code: 'file-unreadable' });
  await files.close();
  expect(readFileSync(join(folder, 'a.bin'), 'utf8')).toBe('abcdef');
});

test('openFolder() refuses links that lead outside the folder', async () => {
  symlinkSync(join(root, 'secret.bin'), join(folder, 'link.bin'));
  symlinkSync(root, join(folder, 'sub', 'up'));
  symlinkSync(join(folder, 'a.bin'), join(folder, 'inside.bin'));
  const files = await openFolder(folder);
  await expect(files.size('link.bin')).rejects.toMatchObject({ code: 'unsafe-path' });
  await expect(files.size('sub/up/secret.bin')).rejects.toMatchObject({ code: 'unsafe-path' });
  await expect(files.size('../secret.bin')).rejects.toMatchObject({ code: 'unsafe-path' });
  expect(await files.size('inside.bin')).toBe(6);
  await files.close();
});

test('openFolder() distinguishes missing files, folders and truncated files', async () => {
  const files = await openFolder(folder);
  await expect(files.size('b.bin')).rejects.toMatchObject({ code: 'file-not-found' });
  await expect(files.size('sub')).rejects.toMatchObject({ code: 'file-unreadable' });
  await expect(files.readInto('a.bin', 4, new Uint8Array(3))).rejects.toMatchObject({
    code: 'file-unreadable',
  });
  await files.close();
  await expect(openFolder(join(root, 'nowhere'))).rejects.toMatchObject({ code: 'file-not-found' });
});

test('openModel() refuses what is not a LayersModel folder', async () => {
  await expect(openModel(join(root, 'nowhere'))).rejects.toMatchObject({ code: 'file-not-found' });
  await expect(openModel(join(folder, 'a.bin'))).rejects.toMatchObject({ code: 'bad-model' });
  writeFileSync(join(folder, 'model.json'), '{"format":"graph-model"}');
  await expect(openModel(folder)).rejects.toMatchObject({ code: 'bad-model' });
});

test('readPayload() refuses folders and files that are not there', async () => {
  await expect(readPayload(folder)).rejects.toMatchObject({ code: 'file-unreadable' });
  await expect(readPayload(join(root, 'nowhere'))).rejects.toMatchObject({ code: 'file-not-found' });
});

test('withFileErrors() says no-space when the device is full', async () => {
  const full = withFileErrors('Cannot write "x"', () => writeFile('/dev/full', 'x'));
  await expect(full).rejects.toMatchObject({
    code: 'no-space',
    message: expect.stringContaining('Cannot write "x"'),
  });
});
