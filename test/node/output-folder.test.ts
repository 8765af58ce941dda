import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { listFolder, writeInto } from '../../src/node/output.js';

const scratch = mkdtempSync(join(tmpdir(), 'neural-diff-output-folder-'));

test('listFolder gives the names in a folder, none for one to come', async () => {
  writeFileSync(join(scratch, 'there'), '');
  expect([...(await listFolder(scratch))]).toContain('there');
  expect((await listFolder(join(scratch, 'to-come'))).size).toBe(0);
});

test('listFolder refuses a file, and a folder in a folder that is not there', async () => {
  writeFileSync(join(scratch, 'file'), '');
  await expect(listFolder(join(scratch, 'file'))).rejects.toMatchObject({ code: 'file-not-found' });
  await expect(listFolder(join(scratch, 'no', 'where'))).rejects.toMatchObject({ code: 'file-not-found' });
});

test('writeInto makes the folder, replaces a file of the same name, and leaves nothing else', async () => {
  const folder = join(scratch, 'made');
  await writeInto(folder, 'a', Uint8Array.of(1));
  await Promise.all([2, 3].map((value) => writeInto(folder, 'b', Uint8Array.of(value))));
  await writeInto(folder, 'a', Uint8Array.of(4).subarray(0, 1));
  expect(readdirSync(folder).sort()).toEqual(['a', 'b']);
  expect([...readFileSync(join(folder, 'a'))]).toEqual([4]);
});
