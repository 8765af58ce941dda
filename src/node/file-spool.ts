import { randomUUID } from 'node:crypto';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { ByteSource } from '../payload/byte-source.js';
import { withFileErrorsSync } from './file-errors.js';
import { sourceOfFile } from './read-payload.js';

/** A file without a name in which bytes wait: close it. */
export interface FileSpool {
  write(bytes: Uint8Array): void;
  /** @returns all bytes that were written */
  read(): ByteSource;
  close(): void;
}

/**
 * Makes a spool beside a file that is about to be written, where there is room for it. Nothing is left of it when it is closed, or
 * when the process ends in any way.
 *
 * @throws NeuralDiffError `file-not-found`, `no-space`, `file-unreadable`, here and when it is written
 */
export function createFileSpool(beside: string): FileSpool {
  const path = join(dirname(beside), `.${basename(beside)}.${randomUUID()}.tmp`);
  const doing = `Cannot write beside "${beside}"`;
  const file = withFileErrorsSync(doing, () => openSync(path, 'wx+'));
  const isGone = tryRemove(path);
  return {
    write(bytes) {
      for (let done = 0; done < bytes.length; )
        done += withFileErrorsSync(doing, () => writeSync(file, bytes, done, bytes.length - done));
    },
    read: () => sourceOfFile(file, doing),
    close() {
      closeSync(file);
      if (!isGone) tryRemove(path);
    },
  };
}

/** Some systems do not remove files that are open. */
function tryRemove(path: string): boolean {
  try {
    rmSync(path);
    return true;
  } catch {
    return false;
  }
}
