import { join } from 'node:path';
import { NeuralDiffError } from '../src/model/errors.js';
import { CHUNK_BYTES } from '../src/model/limits.js';
import { ifMissing } from '../src/node/file-errors.js';
import { openRegular, readWhole } from '../src/node/read-whole.js';
import type { UpdateSource } from '../src/updater/http-source.js';

/**
 * Opens a repository in a folder. Only regular files are read, up to the limit or the size they were opened
 * with.
 */
export function openFolderSource(folder: string): UpdateSource {
  return {
    fetch: (path, { maxBytes }) => readWhole(join(folder, path), maxBytes).catch(ifMissing),
    async open(path, { offset, signal }) {
      const name = join(folder, path);
      const opened = await openRegular(name, `Cannot read "${name}"`).catch(ifMissing);
      if (opened === undefined) throw new NeuralDiffError('network', `Cannot read "${name}": no such file`);
      await opened.file.close();
      // A file that is shorter than what was downloaded is another one.
      const from = offset < opened.size ? offset : 0;
      return { offset: from, pieces: readPieces(name, from, signal) };
    },
  };
}

async function* readPieces(
  name: string,
  from: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const { file, size } = await openRegular(name, `Cannot read "${name}"`);
  try {
    for (let at = from; at < size; ) {
      signal?.throwIfAborted();
      const piece = new Uint8Array(Math.min(CHUNK_BYTES, size - at));
      const { bytesRead } = await file.read(piece, 0, piece.length, at);
      if (bytesRead === 0) return;
      yield piece.subarray(0, bytesRead);
      at += bytesRead;
    }
  } finally {
    await file.close();
  }
}
