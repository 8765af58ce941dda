import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type NodeDisk, openNodeDisk } from '../../src/node/disk.js';
import { readRecord, writeRecord } from '../../src/storage/disk.js';
import { codesOfUnsafe, DISK_CASES } from '../storage/disk-cases.js';
import { codeOf } from '../support.js';

let outside: string;
let root: string;
let disk: NodeDisk;
beforeEach(() => {
  outside = mkdtempSync(join(tmpdir(), 'neural-diff-disk-'));
  root = join(outside, 'disk');
  mkdirSync(root);
  disk = openNodeDisk(root);
});
afterEach(async () => {
  await disk.close();
  rmSync(outside, { recursive: true });
});

describe('openNodeDisk()', () => {
  test.each(DISK_CASES)('$name', async ({ run, expected }) => {
    expect(await run(disk)).toEqual(expected);
  });

  test('keeps plain files, which another disk of the folder finds', async () => {
    await disk.write('sub/file', 1, Uint8Array.of(7, 8));
    await disk.sync('sub/file');
    expect([...readFileSync(join(root, 'sub/file'))]).toEqual([0, 7, 8]);
    const other = openNodeDisk(root);
    expect([await other.size('sub/file'), await other.list('')]).toEqual([3, ['sub/file']]);
    await other.close();
  });

  test('reads and writes the file that has a path now, also after another process replaced it', async () => {
    await disk.write('file', 0, Uint8Array.of(1));
    for (const value of [2, 3]) {
      writeFileSync(join(root, 'other'), Uint8Array.of(value, value));
      renameSync(join(root, 'other'), join(root, 'file'));
      const found = new Uint8Array(2);
      await disk.readInto('file', 0, found);
      expect([...found]).toEqual([value, value]);
      writeFileSync(join(root, 'other'), Uint8Array.of(0, 0));
      renameSync(join(root, 'other'), join(root, 'file'));
      await disk.write('file', 1, Uint8Array.of(value));
      expect([...readFileSync(join(root, 'file'))]).toEqual([0, value]);
    }
  });

  test('writes nothing more for a process that stood still while another one took its lock', async () => {
    const byte = Uint8Array.of(5);
    await disk.withLock('model', async () => {
      await disk.write('file', 0, byte);
      rmSync(join(root, 'model.lock'));
      writeFileSync(join(root, 'model.lock'), '{}');
      const hour = performance.now() + 3_600_000;
      vi.spyOn(performance, 'now').mockReturnValue(hour);
      try {
        const acts = [
          () => disk.write('file', 0, Uint8Array.of(6)),
          () => disk.rename('file', 'other'),
          () => disk.remove('file'),
        ];
        for (const act of acts) expect(await codeOf(act)).toBe('locked');
      } finally {
        vi.restoreAllMocks();
      }
    });
    rmSync(join(root, 'model.lock'));
    expect([...readFileSync(join(root, 'file'))]).toEqual([5]);
    await disk.withLock('model', () => disk.write('file', 0, byte));
  });

  test('refuses paths and links that lead outside of the folder', async () => {
    expect(await codesOfUnsafe(disk)).toEqual(['unsafe-path']);
    writeFileSync(join(outside, 'secret'), 'secret');
    symlinkSync(join(outside, 'secret'), join(root, 'link'));
    symlinkSync(outside, join(root, 'up'));
    const byte = new Uint8Array(1);
    const acts = [
      ...['link', 'up/secret'].flatMap((path) => [
        () => disk.size(path),
        () => disk.readInto(path, 0, byte),
        () => disk.write(path, 0, byte),
      ]),
      ...['up/none', 'up/no/ne'].flatMap((path) => [
        () => disk.write(path, 0, byte),
        () => disk.withLock(path, async () => {}),
      ]),
      () => disk.list('up'),
      () => disk.remove('up/secret'),
      () => disk.rename('up/secret', 'file'),
      () => disk.rename('file', 'up/file'),
    ];
    await disk.write('file', 0, byte);
    for (const act of acts) await expect(act()).rejects.toMatchObject({ code: 'unsafe-path' });
    expect(readdirSync(outside).sort()).toEqual(['disk', 'secret']);
    expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('secret');
  });

  test('refuses a folder in place of a file', async () => {
    mkdirSync(join(root, 'sub'));
    const acts = [
      () => disk.size('sub'),
      () => disk.readInto('sub', 0, new Uint8Array(1)),
      () => disk.write('sub', 0, new Uint8Array(1)),
    ];
    for (const act of acts) await expect(act()).rejects.toMatchObject({ code: 'file-unreadable' });
  });
});

test('writeRecord() moves a folder aside that has the name of its draft, under a name that is free', async () => {
  mkdirSync(join(root, 'state.new.damaged'));
  for (const aside of ['state.new.damaged-2', 'state.new.damaged-3']) {
    mkdirSync(join(root, 'state.new', 'in it'), { recursive: true });
    await writeRecord(disk, 'state', Uint8Array.of(7));
    expect(await readRecord(disk, 'state')).toEqual(Uint8Array.of(7));
    expect(readdirSync(join(root, aside))).toEqual(['in it']);
  }
});
