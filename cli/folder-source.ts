import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { NeuralDiffError } from '../src/model/errors.js';
import { openHttpSource, type UpdateSource } from '../src/updater/http-source.js';

/** Opens a repository by the address of a web server or by the path of a folder. */
export function openSource(repository: string): UpdateSource {
  return /^https?:\/\//.test(repository) ? openHttpSource({ url: repository }) : openFolderSource(repository);
}

function openFolderSource(folder: string): UpdateSource {
  return {
    async fetch(path, { maxBytes }) {
      const place = join(folder, path);
      const found = await stat(place).catch(() => undefined);
      if (found === undefined) return undefined;
      if (found.size > maxBytes) {
        const message = `Cannot read "${place}": it has more than ${maxBytes} bytes`;
        throw new NeuralDiffError('limit-exceeded', message);
      }
      return new Uint8Array(await readFile(place));
    },
    async open(path, { offset, signal }) {
      const place = join(folder, path);
      const found = await stat(place).catch(() => undefined);
      if (found === undefined)
        throw new NeuralDiffError('network', `Cannot read "${place}": it is not there`);
      // A stream that begins at the end of its file is refused.
      if (offset >= found.size) return { offset: 0, pieces: createReadStream(place, { signal }) };
      return { offset, pieces: createReadStream(place, { start: offset, signal }) };
    },
  };
}
