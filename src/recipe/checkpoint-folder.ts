import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { writeInto } from '../node/output.js';
import type { Checkpoints } from '../train/training-options.js';

const DIGEST_BYTES = 32;

/**
 * Keeps the states of a job's runs in a folder, a file for each run: its SHA-256, then the state. A file that
 * is damaged, or of another version of Node.js, counts as missing: the run starts again.
 *
 * @param path the folder, for this job alone; created if missing
 */
export async function openCheckpointFolder(path: string): Promise<Checkpoints> {
  await mkdir(path, { recursive: true });
  let runs = 0;
  return {
    next() {
      const name = `run-${runs++}`;
      return {
        read: () => readState(join(path, name)),
        write: (state) => writeInto(path, name, sealed(serialize(state))),
      };
    },
  };
}

function sealed(body: Uint8Array): Uint8Array {
  return Buffer.concat([digestOf(body), body]);
}

async function readState(path: string): Promise<unknown> {
  try {
    const bytes = await readFile(path);
    const body = bytes.subarray(DIGEST_BYTES);
    return digestOf(body).equals(bytes.subarray(0, DIGEST_BYTES)) ? deserialize(body) : undefined;
  } catch {
    return undefined;
  }
}

function digestOf(body: Uint8Array): Buffer {
  return createHash('sha256').update(body).digest();
}
