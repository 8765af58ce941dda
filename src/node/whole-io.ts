import type { FileHandle } from 'node:fs/promises';
import { NeuralDiffError } from '../model/index.js';

/**
 * Fills all of `target` from a file.
 *
 * @throws NeuralDiffError `file-unreadable` where the file is shorter
 */
export async function readFully(
  file: FileHandle,
  range: { path: string; offset: number; target: Uint8Array },
): Promise<void> {
  const { path, offset, target } = range;
  let done = 0;
  while (done < target.length) {
    const { bytesRead } = await file.read(target, done, target.length - done, offset + done);
    if (bytesRead === 0) {
      const message = `Cannot read "${path}": expected ${target.length} bytes at ${offset}, got ${done}`;
      throw new NeuralDiffError('file-unreadable', message);
    }
    done += bytesRead;
  }
}

/** Writes all of some bytes into a file. */
export async function writeFully(file: FileHandle, offset: number, bytes: Uint8Array): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, offset + done);
    done += bytesWritten;
  }
}
