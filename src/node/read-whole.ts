import { constants, type Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { concatBytes } from '../model/bytes.js';
import { NeuralDiffError } from '../model/errors.js';
import { withFileErrors } from './file-errors.js';

/** Flags of `open` with which a named pipe without a writer does not block; Windows has no such flag. */
export const READ_WITHOUT_WAITING = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/** Where a shell passes a pipe: standard input, and process substitution as in `--key <(decrypt key)`. */
const SHELL_PIPE = /^\/(dev\/stdin|(dev|proc\/self)\/fd\/\d+)$/;

/** Bytes of a pipe read at once. */
const PIPE_BYTES = 2 ** 16;

/**
 * Opens a regular file for reading. Named pipes, devices and folders are refused without waiting for them.
 *
 * @param prefix start of error messages, for example `Cannot read "model.json"`
 * @returns the file, to be closed, and its size
 * @throws NeuralDiffError `file-not-found`, `file-unreadable`
 */
export async function openRegular(path: string, prefix: string): Promise<{ file: FileHandle; size: number }> {
  return withFileErrors(prefix, async () => {
    const file = await open(path, READ_WITHOUT_WAITING);
    try {
      const stats = await file.stat();
      checkRegular(stats, prefix);
      return { file, size: stats.size };
    } catch (error) {
      await file.close();
      throw error;
    }
  });
}

/** @throws NeuralDiffError `file-unreadable` for anything but a regular file */
export function checkRegular(stats: Stats, prefix: string): void {
  if (stats.isFile()) return;
  const found = stats.isDirectory() ? 'a folder' : stats.isFIFO() ? 'a named pipe' : 'a device';
  throw new NeuralDiffError('file-unreadable', `${prefix}: expected a regular file, got ${found}`);
}

/**
 * Reads a file into memory: a regular file, or a pipe from the shell.
 *
 * @param maxBytes limit, also for files that grow while they are read
 * @throws NeuralDiffError `file-not-found`, `file-unreadable`, `limit-exceeded`
 */
export async function readWhole(
  path: string,
  maxBytes: number,
  prefix = `Cannot read "${path}"`,
): Promise<Uint8Array> {
  const piped = await readPiped(path, maxBytes, prefix);
  if (piped) return piped;
  const { file, size } = await openRegular(path, prefix);
  try {
    if (size > maxBytes) throw tooLong(prefix, { maxBytes, found: size });
    return await withFileErrors(prefix, () => readExactly(file, size, prefix));
  } finally {
    await file.close();
  }
}

/**
 * Reads a pipe from the shell into memory.
 *
 * @returns undefined for anything else
 * @throws NeuralDiffError `file-not-found`, `file-unreadable`, `limit-exceeded`
 */
export async function readPiped(
  path: string,
  maxBytes: number,
  prefix: string,
): Promise<Uint8Array | undefined> {
  if (!SHELL_PIPE.test(path)) return undefined;
  const error = tooLong(prefix, { maxBytes, found: 'more' });
  return withFileErrors(prefix, () => readPipe(path, { maxBytes, tooLong: error }));
}

function tooLong(
  prefix: string,
  { maxBytes, found }: { maxBytes: number; found: number | string },
): NeuralDiffError {
  return new NeuralDiffError('limit-exceeded', `${prefix}: expected at most ${maxBytes} bytes, got ${found}`);
}

async function readExactly(file: FileHandle, size: number, prefix: string): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  let done = 0;
  // One byte more is asked for, to notice a file that grows.
  const end = new Uint8Array(1);
  for (;;) {
    const target = done < size ? bytes.subarray(done) : end;
    const { bytesRead } = await file.read(target, 0, target.length, done);
    if (bytesRead === 0 && done === size) return bytes;
    if (bytesRead === 0 || done === size)
      throw new NeuralDiffError(
        'file-unreadable',
        `${prefix}: it changed from ${size} bytes while it was read`,
      );
    done += bytesRead;
  }
}

/** @returns the content of a pipe; undefined for another kind of file */
async function readPipe(
  path: string,
  { maxBytes, tooLong }: { maxBytes: number; tooLong: NeuralDiffError },
): Promise<Uint8Array | undefined> {
  const file = await open(path, 'r');
  try {
    if (!(await file.stat()).isFIFO()) return undefined;
    const parts: Uint8Array[] = [];
    for (let length = 0; length <= maxBytes; ) {
      const { bytesRead, buffer } = await file.read(new Uint8Array(PIPE_BYTES), 0, PIPE_BYTES, null);
      if (bytesRead === 0) return concatBytes(parts);
      parts.push(buffer.subarray(0, bytesRead));
      length += bytesRead;
    }
    throw tooLong;
  } finally {
    await file.close();
  }
}
