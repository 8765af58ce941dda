import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { NeuralDiffError } from '../model/errors.js';
import type { ByteSource } from '../payload/byte-source.js';
import { MAX_PAYLOAD_BYTES } from '../payload/limits.js';
import { withFileErrors, withFileErrorsSync } from './file-errors.js';

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

/** Bytes that are read at once. */
const WINDOW_BYTES = 2 ** 18;

/** A file as a source of bytes: close it. */
export interface FileSource extends ByteSource {
  close(): void;
}

/**
 * Opens a file that is read a window at a time.
 *
 * @throws NeuralDiffError `file-not-found`, `file-unreadable`, here and when it is read
 */
export function openFileSource(path: string): FileSource {
  const doing = `Cannot read "${path}"`;
  const file = withFileErrorsSync(doing, () => openSync(path, 'r'));
  const { length, borrow } = sourceOfFile(file, doing);
  return { length, borrow, close: () => closeSync(file) };
}

/** @returns what is in an open file now */
export function sourceOfFile(file: number, doing: string): ByteSource {
  const length = fstatSync(file).size;
  return {
    length,
    borrow(at, room = new Uint8Array(Math.min(WINDOW_BYTES, length - at))) {
      const window = room.subarray(0, length - at);
      const read = withFileErrorsSync(doing, () => readSync(file, window, 0, window.length, at));
      if (read === 0) throw new NeuralDiffError('file-unreadable', `${doing}: it has become shorter`);
      return window.subarray(0, read);
    },
  };
}
