import { createHash } from 'node:crypto';
import { deserialize, serialize } from 'node:v8';
import { ifMissing } from '../../node/file-errors.js';
import type { Checkpoints } from '../../train/training-options.js';
import { readAll, type StoreFiles } from './store-files.js';

const DIGEST_BYTES = 32;

/**
 * Keeps the states of a job's runs in a folder of a store, a file for each run: its SHA-256, then the state.
 * A file that is damaged, or of another version of Node.js, counts as missing: the run starts again.
 *
 * @param folder path in the store, for this job alone
 */
export function openCheckpoints(files: StoreFiles, folder: string): Checkpoints {
  let runs = 0;
  return {
    next() {
      const path = `${folder}/run-${runs++}`;
      return {
        read: async () => {
          const file = await files.read(path).catch(ifMissing);
          return file && unsealed(await readAll(file));
        },
        write: (state) => files.write(path, sealed(serialize(state))),
      };
    },
  };
}

function sealed(body: Uint8Array): Uint8Array {
  return Buffer.concat([digestOf(body), body]);
}

function unsealed(bytes: Uint8Array): unknown {
  const body = bytes.subarray(DIGEST_BYTES);
  if (!digestOf(body).equals(bytes.subarray(0, DIGEST_BYTES))) return undefined;
  try {
    return deserialize(body);
  } catch {
    return undefined;
  }
}

function digestOf(body: Uint8Array): Buffer {
  return createHash('sha256').update(body).digest();
}
