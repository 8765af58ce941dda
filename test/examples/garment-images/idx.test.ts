import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { PicturesError, readIdx, readPictures } from '../../../examples/garment-images/idx.js';

/** @returns the bytes of a list with an offset, so that a view that forgets it is caught */
function listOf(...values: number[]): Uint8Array {
  const bytes = Uint8Array.from([9, 9, 0, 0, 8, 1, 0, 0, 0, values.length, ...values]);
  return bytes.subarray(2);
}

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'neural-diff-idx-'));
  await use(folder).finally(() => rm(folder, { recursive: true }));
}

test('readIdx() gives the bytes after the header', () => {
  expect([...readIdx(listOf(4, 5, 6), 0x0801)]).toEqual([4, 5, 6]);
});

test('readIdx() refuses another magic number, an interruption file and one that is too long', () => {
  expect(() => readIdx(listOf(1), 0x0803)).toThrow(PicturesError);
  expect(() => readIdx(listOf(1, 2).subarray(0, 9), 0x0801)).toThrow('expected 10 bytes, got 9');
  expect(() => readIdx(listOf().subarray(0, 3), 0x0801)).toThrow('got 3 bytes');
});

test('readPictures() says what to install when the folder lacks a file', async () => {
  await withFolder(async (folder) => {
    const error = await readPictures(folder, 'train').catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(PicturesError);
    expect(error).toMatchObject({ code: 'missing' });
    expect((error as Error).message).toContain('dataset-fashion-mnist');
  });
});

test('readPictures() refuses files that are no gzip, and labels without pictures', async () => {
  await withFolder(async (folder) => {
    const pictures = Uint8Array.from([
      0,
      0,
      8,
      3,
      0,
      0,
      0,
      1,
      0,
      0,
      0,
      28,
      0,
      0,
      0,
      28,
      ...Array(784).fill(7),
    ]);
    await writeFile(join(folder, 't10k-images-idx3-ubyte.gz'), gzipSync(pictures));
    await writeFile(join(folder, 't10k-labels-idx1-ubyte.gz'), 'plain');
    await expect(readPictures(folder, 't10k')).rejects.toMatchObject({ code: 'bad-file' });
    await writeFile(join(folder, 't10k-labels-idx1-ubyte.gz'), gzipSync(listOf(1, 2)));
    await expect(readPictures(folder, 't10k')).rejects.toThrow('expected a label a picture');
    await writeFile(join(folder, 't10k-labels-idx1-ubyte.gz'), gzipSync(listOf(3)));
    expect([...(await readPictures(folder, 't10k')).labels]).toEqual([3]);
  });
});
