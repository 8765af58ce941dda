import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { NeuralDiffError } from '../model/errors.js';
import { type ByteSource, MAX_HELD_BYTES, sourceOf } from '../payload/byte-source.js';
import { MAX_PAYLOAD_BYTES } from '../payload/limits.js';
import { withFileErrorsSync } from './file-errors.js';
import { checkRegular, READ_WITHOUT_WAITING, readPiped, readWhole } from './read-whole.js';

/**
 * Reads a payload file, or a pipe from the shell, into memory; at most 1 GiB (`openPayloadFile` opens more).
 *
 * @throws NeuralDiffError `file-not-found`, `file-unreadable`, `limit-exceeded`
 */
export async function readPayload(path: string): Promise<Uint8Array> {
  return readWhole(path, MAX_HELD_BYTES, `Cannot read payload "${path}"`);
}

/**
 * Opens a payload file without reading it into memory; a pipe from the shell is read, up to 1 GiB.
 *
 * @returns the file; it must be closed
 * @throws NeuralDiffError `file-not-found`, `file-unreadable`, `limit-exceeded`
 */
export async function openPayloadFile(path: string): Promise<FileSource> {
  const prefix = `Cannot read payload "${path}"`;
  const piped = await readPiped(path, MAX_HELD_BYTES, prefix);
  if (piped) return { ...sourceOf(piped), close: () => undefined };
  const source = openSource(path, prefix);
  if (source.length <= MAX_PAYLOAD_BYTES) return source;
  source.close();
  const expected = `expected at most ${MAX_PAYLOAD_BYTES} bytes, got ${source.length}`;
  throw new NeuralDiffError('limit-exceeded', `Cannot read payload "${path}": ${expected}`);
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
  return openSource(path, `Cannot read "${path}"`);
}

function openSource(path: string, prefix: string): FileSource {
  return withFileErrorsSync(prefix, () => {
    const file = openSync(path, READ_WITHOUT_WAITING);
    try {
      checkRegular(fstatSync(file), prefix);
      const { length, borrow } = sourceOfFile(file, prefix);
      return { length, borrow, close: () => closeSync(file) };
    } catch (error) {
      closeSync(file);
      throw error;
    }
  });
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
