import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { NeuralDiffError } from '../model/index.js';
import type { ByteSource } from '../payload/index.js';
import { withFileErrorsSync } from './file-errors.js';

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
