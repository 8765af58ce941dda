import { throwIfAborted } from '../model/abort.js';
import { NeuralDiffError } from '../model/errors.js';
import type { ModelFiles } from '../model/model-files.js';
import type { WeightStore } from '../model/store.js';
import { filesOnDisk, removeRecord, withSignal } from './disk.js';
import type { JournalWriter } from './journal.js';
import { JournaledFiles } from './journaled-files.js';
import { findJournal, type InPlaceOptions, type OwnJournal, refuse } from './own-journal.js';
import {
  checkFingerprints,
  fingerprintOf,
  type ModelStorage,
  onTrial,
  type StorageStatus,
  type UpdateTerms,
} from './storage.js';

/**
 * Opens a model that is updated in place: updates change its files page by page, protected by an undo
 * journal.
 *
 * After an interruption the files may be inconsistent until `recover` is called, also for other programs.
 */
export function openInPlace(options: InPlaceOptions): ModelStorage {
  const { disk, journal: path } = options;
  const locked = <T>(run: () => Promise<T>): Promise<T> => disk.withLock(path, run);
  return {
    path,
    recover: () => locked(() => recover(options)),
    open: () => options.openModel(filesOnDisk(options)),
    update: (change, terms) => locked(() => update(options, change, terms)),
    confirm: () =>
      locked(async () => {
        if ((await recover(options)) === 'trial') await dropJournal(options);
      }),
    rollback: () =>
      locked(async () => {
        const found = await findJournal(options);
        if (found !== undefined) await checkAndUndo(options, found);
        return found !== undefined;
      }),
  };
}

async function recover(options: InPlaceOptions): Promise<StorageStatus | 'undone'> {
  const found = await findJournal(options);
  if (found === undefined) return 'settled';
  if (found.facts.isCommitted && !found.facts.isUndoing) return 'trial';
  await checkAndUndo(options, found);
  return 'undone';
}

async function update(
  options: InPlaceOptions,
  change: (store: WeightStore) => Promise<void>,
  { isTrial = true, signal, ...fingerprints }: UpdateTerms,
): Promise<void> {
  checkFingerprints(fingerprints);
  if ((await recover(options)) === 'trial') throw onTrial();
  const files = new JournaledFiles(options, options.journal, fingerprints);
  const store = await options.openModel(withSignal(files, signal));
  try {
    await change(store);
    await store.flush();
    throwIfAborted(signal);
    await files.close();
    if (files.journal !== undefined) await (isTrial ? commit(files.journal) : dropJournal(options));
  } catch (error) {
    await files.close();
    // If this fails too, `recover` rolls back later.
    await undoIfNeeded(options).catch(() => undefined);
    throw error;
  } finally {
    await store.close();
  }
}

/** Completes the update, once the mark is durable. */
async function commit(journal: JournalWriter): Promise<void> {
  await journal.mark('committed');
  await journal.sync();
}

/** Undoes an update of this process, whose journal needs no check. */
async function undoIfNeeded(options: InPlaceOptions): Promise<void> {
  const found = await findJournal(options);
  if (found !== undefined) await undo(options, found);
}

/** Checks that a journal restores its base, before anything is written, and undoes the update. */
async function checkAndUndo(options: InPlaceOptions, journal: OwnJournal): Promise<void> {
  const { base, next } = journal.facts;
  const restored = await fingerprintIn(options, journal.filesBefore());
  if (restored === base) return undo(options, journal);
  const found = await fingerprintIn(options, filesOnDisk(options));
  if (found === base) return dropJournal(options);
  if (found === next) throw await refuse(options, 'it is damaged; the model is the updated one, whole');
  throw cannotRollBack(options, base, restored);
}

/** @returns the fingerprint of the model in some files; undefined if they are not a whole model */
async function fingerprintIn(options: InPlaceOptions, files: ModelFiles): Promise<string | undefined> {
  try {
    return await fingerprintOf({ open: () => options.openModel(files) });
  } catch (error) {
    if (error instanceof NeuralDiffError && error.code === 'bad-model') return undefined;
    throw error;
  }
}

/** Restores the bytes in the journal, checks the base's fingerprint, and removes the journal. */
async function undo(options: InPlaceOptions, { facts, eachEntry, writer }: OwnJournal): Promise<void> {
  const { disk } = options;
  if (facts.isCommitted && !facts.isUndoing) {
    // After an interruption from here on, the update must not count as complete.
    await writer.mark('undoing');
    await writer.sync();
  }
  const touched = new Set<string>();
  await eachEntry(async ({ kind, path, offset, bytes }) => {
    if (kind !== 'saved') return;
    touched.add(path);
    await disk.write(path, offset, bytes);
  });
  for (const path of touched) await disk.sync(path);
  const found = await fingerprintOf({ open: () => options.openModel(filesOnDisk(options)) });
  if (found !== facts.base) throw cannotRollBack(options, facts.base, found);
  await dropJournal(options);
}

function cannotRollBack(
  { journal }: InPlaceOptions,
  expected: string,
  found: string | undefined,
): NeuralDiffError {
  const got = found ?? 'no whole model';
  const remedy = `install the model again and remove "${journal}"`;
  const message = `Cannot roll back the model: expected ${expected}, got ${got}; journaled data was lost; ${remedy}`;
  return new NeuralDiffError('storage-mismatch', message, { facts: { expected, found } });
}

const dropJournal = ({ disk, journal }: InPlaceOptions): Promise<void> => removeRecord(disk, journal);
