import { join } from 'node:path';
import { NeuralDiffError } from '../src/model/errors.js';
import { openModelStorage } from '../src/node/open-model.js';
import { openJournal } from '../src/storage/journal.js';
import type { CommonFlags } from './command.js';
import { type Io, remark } from './io.js';

/**
 * Finds out whether an update in place was interrupted, and says how to go on: until then the model's weights
 * may be a mixture of two models.
 *
 * @param path a model on disk; it is not changed
 * @returns `isInterrupted` for documents, if so
 */
export async function remarkInterrupted(
  path: string,
  flags: CommonFlags,
  io: Io,
): Promise<{ readonly isInterrupted?: true }> {
  const journal = await findInterrupted(path);
  if (journal === undefined) return {};
  remark(
    io,
    flags,
    `an update of "${path}" was interrupted (${journal}): its weights may be a mixture of two models. ` +
      `neural-diff doctor --model ${path} restores the old one; update and apply --in-place do so, too`,
  );
  return { isInterrupted: true };
}

/** @returns the path of the journal of an interrupted update; undefined without one, and during a trial */
async function findInterrupted(path: string): Promise<string | undefined> {
  const storage = await openModelStorage(path);
  const { disk, root, path: name = '' } = storage;
  try {
    const journal = await openJournal(disk, name);
    if (journal === undefined || journal === 'torn') return undefined;
    const { isCommitted, isUndoing } = journal.facts;
    return isCommitted && !isUndoing ? undefined : join(root, name);
  } catch (error) {
    // A file of that name that is no journal: `doctor` says so.
    if (error instanceof NeuralDiffError && error.code === 'storage-mismatch') return undefined;
    throw error;
  } finally {
    await storage.close();
  }
}
