import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { checkOutput, writeCopy, writeOutput } from '../../src/node/output.js';

let root: string;
let folder: { from: string; files: string[] };
const at = (name: string): string => join(root, name);
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'neural-diff-output-'));
  mkdirSync(at('from'));
  writeFileSync(join(at('from'), 'file'), 'old');
  folder = { from: at('from'), files: ['file'] };
});

test('writeOutput() writes a file whole, refuses one that exists, and replaces it when forced', async () => {
  await writeOutput(at('out'), Uint8Array.of(1, 2, 3));
  await expect(writeOutput(at('out'), Uint8Array.of(4))).rejects.toMatchObject({ code: 'output-exists' });
  expect([...readFileSync(at('out'))]).toEqual([1, 2, 3]);
  await writeOutput(at('out'), Uint8Array.of(4), { force: true });
  expect([...readFileSync(at('out'))]).toEqual([4]);
  expect(readdirSync(root).sort()).toEqual(['from', 'out']);
});

test('writeOutput() and checkOutput() refuse a folder that is not there', async () => {
  await expect(writeOutput(join(at('no'), 'out'), new Uint8Array())).rejects.toMatchObject({
    code: 'file-not-found',
  });
  await expect(checkOutput(join(at('no'), 'out'))).rejects.toMatchObject({ code: 'file-not-found' });
});

test('writeCopy() moves the changed copy to its place and leaves the original alone', async () => {
  const result = await writeCopy({ ...folder, to: at('to') }, async (copy) => {
    writeFileSync(join(copy, 'file'), 'new');
    expect(existsSync(at('to'))).toBe(false);
    return 7;
  });
  expect(result).toBe(7);
  expect(readFileSync(join(at('to'), 'file'), 'utf8')).toBe('new');
  expect(readFileSync(join(at('from'), 'file'), 'utf8')).toBe('old');
  expect(readdirSync(root).sort()).toEqual(['from', 'to']);
});

test('writeCopy() leaves nothing behind when the change fails, and what was there when forced', async () => {
  const fail = async (): Promise<never> => {
    throw new Error('no');
  };
  await expect(writeCopy({ ...folder, to: at('to') }, fail)).rejects.toThrow('no');
  expect(readdirSync(root)).toEqual(['from']);
  await writeCopy({ ...folder, to: at('to') }, async () => {});
  await expect(writeCopy({ ...folder, to: at('to'), force: true }, fail)).rejects.toThrow('no');
  expect(readdirSync(root).sort()).toEqual(['from', 'to']);
  expect(readFileSync(join(at('to'), 'file'), 'utf8')).toBe('old');
});

test('writeCopy() copies links within the folder as files, and never writes through one', async () => {
  symlinkSync('from', at('current'));
  symlinkSync('file', join(at('from'), 'link'));
  writeFileSync(at('outside'), 'outside');
  symlinkSync('outside', at('to'));
  const paths = { from: at('current'), files: ['file', 'link'], to: at('to'), force: true };
  await writeCopy(paths, async (copy) => {
    expect(readdirSync(copy).sort()).toEqual(['file', 'link']);
    writeFileSync(join(copy, 'link'), 'new');
  });
  expect(lstatSync(at('to')).isDirectory()).toBe(true);
  expect(lstatSync(join(at('to'), 'link')).isFile()).toBe(true);
  expect(readFileSync(join(at('to'), 'file'), 'utf8')).toBe('old');
  expect(readFileSync(join(at('from'), 'file'), 'utf8')).toBe('old');
  expect(readFileSync(at('outside'), 'utf8')).toBe('outside');
});

test('writeCopy() refuses links that lead out of the folder, and whatever is no file', async () => {
  writeFileSync(at('secret'), 'secret');
  mkdirSync(join(at('from'), 'sub'));
  symlinkSync('../secret', join(at('from'), 'link'));
  symlinkSync('..', join(at('from'), 'up'));
  const never = async (): Promise<void> => expect.unreachable();
  const codes = {
    link: 'unsafe-path',
    'up/secret': 'unsafe-path',
    sub: 'file-unreadable',
    no: 'file-not-found',
  };
  for (const [name, code] of Object.entries(codes)) {
    const copied = writeCopy({ from: at('from'), files: ['file', name], to: at('to') }, never);
    await expect(copied).rejects.toMatchObject({ code });
    if (name === 'up/secret') continue;
    const alone = writeCopy({ from: join(at('from'), name), to: at('to') }, never);
    await expect(alone).rejects.toMatchObject({ code });
  }
  expect(readdirSync(root).sort()).toEqual(['from', 'secret']);
});

test('writeCopy() replaces another folder, but none that contains what it copies', async () => {
  const write = async (copy: string): Promise<void> => writeFileSync(join(copy, 'file'), 'new');
  writeFileSync(join(at('from'), 'other'), 'other');
  const file = join(at('from'), 'file');
  for (const paths of [folder, { from: file }])
    for (const to of [at('from'), root])
      await expect(writeCopy({ ...paths, to, force: true }, write)).rejects.toMatchObject({
        code: 'output-exists',
      });
  expect(readdirSync(at('from')).sort()).toEqual(['file', 'other']);
  await writeCopy({ from: file, to: file, force: true }, async (copy) => writeFileSync(copy, 'own'));
  expect(readFileSync(file, 'utf8')).toBe('own');
});
