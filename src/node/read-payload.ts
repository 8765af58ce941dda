import { readFile, stat } from 'node:fs/promises';
import { NeuralDiffError } from '../model/index.js';
import { MAX_PAYLOAD_BYTES } from '../payload/index.js';
import { withFileErrors } from './file-errors.js';
import { type FileSource, openFileSource } from './file-source.js';

/**
 * Reads a payload file whole, unless it is larger than any payload may be.
 *
 * @throws NeuralDiffError `file-not-found`, `file-unreadable`, `limit-exceeded`
 */
export async function readPayload(path: string): Promise<Uint8Array> {
  return withFileErrors(`Cannot read payload "${path}"`, async () => {
    await checkSize(path);
    return new Uint8Array(await readFile(path));
  });
}

/**
 * Opens a payload file without reading it whole: large ones take no memory.
 *
 * @returns the file; close it
 * @throws NeuralDiffError `file-not-found`, `file-unreadable`, `limit-exceeded`
 */
export async function openPayloadFile(path: string): Promise<FileSource> {
  await withFileErrors(`Cannot read payload "${path}"`, () => checkSize(path));
  return openFileSource(path);
}

async function checkSize(path: string): Promise<void> {
  const { size } = await stat(path);
  if (size <= MAX_PAYLOAD_BYTES) return;
  throw new NeuralDiffError(
    'limit-exceeded',
    `Cannot read payload "${path}": expected at most ${MAX_PAYLOAD_BYTES} bytes, got ${size}`,
  );
}
