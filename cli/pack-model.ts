import { stat } from 'node:fs/promises';
import { basename, extname, resolve } from 'node:path';
import { encodeSafetensors } from '../src/containers/write-safetensors.js';
import { NeuralDiffError } from '../src/model/errors.js';
import { fingerprint } from '../src/model/fingerprint.js';
import { nodeSha256 } from '../src/node/node-sha256.js';
import { wholeModel } from '../src/node/open-model.js';
import { readPayload } from '../src/node/read-payload.js';
import { MAX_HELD_BYTES } from '../src/payload/byte-source.js';
import { withModel } from './open.js';

/** A whole model as one file to release. */
export interface PackedModel {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Fingerprint of the model that was packed. */
  readonly next?: string;
}

/** @returns whether a path leads to a model of several files, or may: a folder, a `model.json`, an index */
async function isModelFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() === true || (found?.isFile() === true && path.endsWith('.json'));
}

/**
 * Reads a whole model as one file. One of several files is packed as safetensors, with the same tensors; one
 * of a single file is taken as it is.
 *
 * @param path a file, or a folder with a model
 * @returns the file, named after the folder or the main file
 * @throws NeuralDiffError as `openModel`; `unsupported-model` for names that safetensors cannot have;
 *   `limit-exceeded` above 1 GiB
 */
export async function packModel(path: string): Promise<PackedModel> {
  if (!(await isModelFolder(path))) return { name: basename(path), bytes: await readPayload(path) };
  const { from, files } = await wholeModel(path);
  const name = basename(resolve(path)).replace(/\.json$/, '');
  if (files === undefined) return { name: `${name}${extname(from)}`, bytes: await readPayload(from) };
  return withModel({ path }, async (store) => {
    const { bytes: length, pieces } = encodeSafetensors(store);
    if (length > MAX_HELD_BYTES) throw tooLarge(path, length);
    const bytes = new Uint8Array(length);
    let at = 0;
    for await (const piece of pieces) {
      bytes.set(piece, at);
      at += piece.length;
    }
    return { name: `${name}.safetensors`, bytes, next: await fingerprint(store, { sha256: nodeSha256 }) };
  });
}

function tooLarge(path: string, found: number): NeuralDiffError {
  const expected = `expected at most ${MAX_HELD_BYTES} bytes, got ${found}`;
  return new NeuralDiffError('limit-exceeded', `Cannot release "${path}" as one file: ${expected}`);
}
