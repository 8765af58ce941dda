import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeCopy } from '../../src/node/output.js';
import { withFaultyCalls } from '../rig/faulty-fs.js';

let root: string;
const at = (name: string): string => join(root, name);
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'neural-diff-durable-'));
  mkdirSync(at('from/deep/er'), { recursive: true });
  for (const name of FILES) writeFileSync(at(`from/${name}`), 'old');
});
afterEach(() => rmSync(root, { recursive: true }));

const FILES = ['file', 'config.json', 'deep/one', 'deep/er/two'];

/** @returns the paths that an operation syncs and renames, in their order; real calls are made */
async function callsOf(run: () => Promise<unknown>): Promise<string[]> {
  const calls: string[] = [];
  const { open, rename } = fs;
  const watched = {
    async open(...args: Parameters<typeof open>) {
      const file = await open(...args);
      const sync = file.sync.bind(file);
      file.sync = () => {
        calls.push(`sync ${args[0]}`);
        return sync();
      };
      return file;
    },
    rename(from: string, to: string) {
      calls.push(`rename ${from}`);
      return rename(from, to);
    },
  };
  Object.assign(fs, watched);
  syncBuiltinESMExports();
  try {
    await run();
    return calls;
  } finally {
    Object.assign(fs, { open, rename });
    syncBuiltinESMExports();
  }
}

test('writeCopy() makes every copied file and folder durable, from the bottom up, before it is renamed', async () => {
  mkdirSync(at('to'));
  let staged = '';
  const calls = await callsOf(() =>
    writeCopy({ from: at('from'), files: FILES, to: at('to'), force: true }, async (copy) => {
      staged = copy;
    }),
  );
  const names = calls.map((call) => call.replace(staged, 'staged').replace(root, 'root'));
  const first = names.findIndex((name) => name.startsWith('rename'));
  const synced = names.slice(0, first);
  expect([...synced].sort()).toEqual(
    ['', '/config.json', '/deep', '/deep/er', '/deep/er/two', '/deep/one', '/file']
      .map((name) => `sync staged${name}`)
      .sort(),
  );
  const inOrder = ['/deep/er/two', '/deep/er', '/deep', ''].map((name) =>
    synced.indexOf(`sync staged${name}`),
  );
  expect(inOrder).toEqual([...inOrder].sort((a, b) => a - b));
  expect(synced.at(-1)).toBe('sync staged');
  expect(names.slice(first)).toEqual(['rename root/to', 'rename staged', 'sync root']);
});

test('writeCopy() makes a copy of a single file durable before it is renamed', async () => {
  const calls = await callsOf(() => writeCopy({ from: at('from/file'), to: at('to') }, async () => {}));
  expect(calls.map((call) => basename(call)).map((name) => name.replace(/^\.to\..*/, 'staged'))).toEqual([
    'staged',
    'staged',
    basename(root),
  ]);
});

test('writeCopy() leaves the old target where the copy cannot be made durable', async () => {
  mkdirSync(at('to'));
  writeFileSync(at('to/file'), 'before');
  for (let from = 0; from < 7; from++)
    await withFaultyCalls({ kind: 'sync', from, code: 'EIO', folder: root }, async () => {
      const copied = writeCopy({ from: at('from'), files: FILES, to: at('to'), force: true }, async () => {});
      await expect(copied).rejects.toMatchObject({ code: 'file-unreadable' });
    });
  expect(readFileSync(at('to/file'), 'utf8')).toBe('before');
});
