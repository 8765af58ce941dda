import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { NeuralDiffError } from '../model/errors.js';
import type { ByteSource } from '../payload/byte-source.js';
import { MAX_PAYLOAD_BYTES } from '../payload/limits.js';
import { withFileErrors, withFileErrorsSync } from './file-errors.js';

/**
 * Reads a payload file into memory, after checking its size against `MAX_PAYLOAD_BYTES`.
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
 * Opens a payload file without reading it into memory.
 *
 * @returns the file; it must be closed
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

/** Bytes read at once by default. */
const WINDOW_BYTES = 2 ** 18;

/** A file as a source of bytes; it must be closed. */
export interface FileSource extends ByteSource {
  close(): void;
}

/**
 * Opens a file that is read in windows.
 *
 * @throws NeuralDiffError `file-not-found`, `file-unreadable`, here and by `borrow`
 */
export function openFileSource(path: string): FileSource {
  const prefix = `Cannot read "${path}"`;
  const file = withFileErrorsSync(prefix, () => openSync(path, 'r'));
  const { length, borrow } = sourceOfFile(file, prefix);
  return { length, borrow, close: () => closeSync(file) };
}

/** @returns the present content of an open file as a source; `prefix` starts its error messages */
export function sourceOfFile(file: number, prefix: string): ByteSource {
  const length = fstatSync(file).size;
  return {
    length,
    borrow(at, buffer = new Uint8Array(Math.min(WINDOW_BYTES, length - at))) {
      const window = buffer.subarray(0, length - at);
      const read = withFileErrorsSync(prefix, () => readSync(file, window, 0, window.length, at));
      if (read === 0)
        throw new NeuralDiffError('file-unreadable', `${prefix}: expected ${length} bytes, got ${at}`);
      return window.subarray(0, read);
    },
  };
}
