import { mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { EncodedFile } from '../containers/encoded-file.js';
import { NeuralDiffError } from '../model/errors.js';
import { fingerprint } from '../model/fingerprint.js';
import { checkFree } from '../storage/disk.js';
import { freeBytesIn } from './folder.js';
import { nodeSha256 } from './node-sha256.js';
import { openModel } from './open-model.js';
import { type CopyPaths, writeFolder } from './output.js';

/** A model that is written in another container. */
interface EncodedModel {
  /** Files by path in the model's folder. */
  readonly files: ReadonlyMap<string, EncodedFile>;
  /** Fingerprint that the written model must have. */
  readonly next: string;
  readonly signal: AbortSignal;
}

/**
 * Writes the files of a model next to the target, reads their fingerprint back, makes them durable, and moves
 * them to the target: a folder, or without `paths.files` their only file.
 *
 * @throws NeuralDiffError as `writeFolder`; `result-mismatch` for another fingerprint; `no-space`; any error
 *   of reading the model and of opening it again; the signal's reason
 */
export async function writeEncoded(paths: CopyPaths, { files, next, signal }: EncodedModel): Promise<void> {
  const needed = [...files.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  await writeFolder(paths, async (folder) => {
    const freeBytes = () => freeBytesIn(dirname(paths.to)).catch(() => undefined);
    await checkFree({ freeBytes }, needed, `write "${paths.to}"`);
    for (const [path, file] of files) await writeFile(join(folder, path), file, signal);
    const written = paths.files === undefined ? join(folder, [...files.keys()][0] as string) : folder;
    const store = await openModel(written);
    const options = { sha256: nodeSha256, signal };
    const found = await fingerprint(store, options).finally(() => store.close());
    if (found === next) return;
    const message = `Cannot write "${paths.to}": expected a model with fingerprint ${next}, got ${found}`;
    throw new NeuralDiffError('result-mismatch', message, { facts: { expected: next, found } });
  });
}

async function writeFile(path: string, { pieces }: EncodedFile, signal: AbortSignal): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const file = await open(path, 'wx');
  try {
    for await (const piece of pieces) {
      signal.throwIfAborted();
      await file.writeFile(piece);
    }
  } finally {
    await file.close();
  }
}
