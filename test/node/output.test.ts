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
const at = (name: string): string => join(root, name);
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'neural-diff-output-'));
  mkdirSync(at('from'));
  writeFileSync(join(at('from'), 'file'), 'old');
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
  const result = await writeCopy({ from: at('from'), to: at('to') }, async (copy) => {
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
  await expect(writeCopy({ from: at('from'), to: at('to') }, fail)).rejects.toThrow('no');
  expect(readdirSync(root)).toEqual(['from']);
  await writeCopy({ from: at('from'), to: at('to') }, async () => {});
  await expect(writeCopy({ from: at('from'), to: at('to'), force: true }, fail)).rejects.toThrow('no');
  expect(readdirSync(root).sort()).toEqual(['from', 'to']);
  expect(readFileSync(join(at('to'), 'file'), 'utf8')).toBe('old');
});

test('writeCopy() copies what a link leads to, and never writes through it', async () => {
  symlinkSync('from', at('current'));
  writeFileSync(at('outside'), 'outside');
  symlinkSync(at('outside'), join(at('from'), 'link'));
  await writeCopy({ from: at('current'), to: at('to') }, async (copy) => {
    for (const name of ['file', 'link']) writeFileSync(join(copy, name), 'new');
  });
  expect(lstatSync(at('to')).isDirectory()).toBe(true);
  expect(readFileSync(join(at('to'), 'file'), 'utf8')).toBe('new');
  expect(readFileSync(join(at('from'), 'file'), 'utf8')).toBe('old');
  expect(readFileSync(at('outside'), 'utf8')).toBe('outside');
});

test('writeCopy() replaces a folder, even the one that it copies', async () => {
  const write = async (copy: string): Promise<void> => writeFileSync(join(copy, 'file'), 'new');
  await expect(writeCopy({ from: at('from'), to: at('from') }, write)).rejects.toMatchObject({
    code: 'output-exists',
  });
  await writeCopy({ from: at('from'), to: at('from'), force: true }, write);
  expect(readFileSync(join(at('from'), 'file'), 'utf8')).toBe('new');
  expect(readdirSync(root)).toEqual(['from']);
});
