import { randomUUID } from 'node:crypto';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { ByteSource } from '../payload/byte-source.js';
import { withFileErrorsSync } from './file-errors.js';
import { sourceOfFile } from './read-payload.js';

/** An anonymous temporary file; it must be closed. */
export interface FileSpool {
  write(bytes: Uint8Array): void;
  /** @returns all bytes that were written */
  read(): ByteSource;
  close(): void;
}

/**
 * Creates a temporary file in the folder of an output file, which has the space for it. It is removed when it
 * is closed and, where the system allows, when the process ends in any way.
 *
 * @throws NeuralDiffError `file-not-found`, `no-space`, `file-unreadable`, here and by `write`
 */
export function createFileSpool(outputPath: string): FileSpool {
  const path = join(dirname(outputPath), `.${basename(outputPath)}.${randomUUID()}.tmp`);
  const prefix = `Cannot write a temporary file next to "${outputPath}"`;
  const file = withFileErrorsSync(prefix, () => openSync(path, 'wx+'));
  const isGone = tryRemove(path);
  return {
    write(bytes) {
      for (let done = 0; done < bytes.length; )
        done += withFileErrorsSync(prefix, () => writeSync(file, bytes, done, bytes.length - done));
    },
    read: () => sourceOfFile(file, prefix),
    close() {
      closeSync(file);
      if (!isGone) tryRemove(path);
    },
  };
}

/** @returns whether the file was removed; some systems do not remove open files */
function tryRemove(path: string): boolean {
  try {
    rmSync(path);
    return true;
  } catch {
    return false;
  }
}
