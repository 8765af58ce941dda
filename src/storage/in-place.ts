import { NeuralDiffError } from '../model/errors.js';
import type { ModelFiles } from '../model/model-files.js';
import type { WeightStore } from '../model/store.js';
import { type Disk, filesOnDisk, folderOf, withSignal } from './disk.js';
import { type JournalWriter, type OpenJournal, openJournal } from './journal.js';
import { JournaledFiles } from './journaled-files.js';
import {
  checkFingerprints,
  fingerprintOf,
  type ModelStorage,
  onTrial,
  type StorageStatus,
  type UpdateTerms,
} from './storage.js';

/** Options of `openInPlace`. */
export interface InPlaceOptions {
  readonly disk: Disk;
  /** Folder of the model's files on the disk; `''` is the root. */
  readonly folder: string;
  /** Path on the disk for the journal, which grows to the number of bytes that an update touches. */
  readonly journal: string;
  /** Opens the model from its files, for example with `openContainer`. */
  readonly openModel: (files: ModelFiles) => Promise<WeightStore>;
}

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
    recover: () => locked(() => recover(options)),
    open: () => options.openModel(filesOnDisk(options)),
    update: (change, terms) => locked(() => update(options, change, terms)),
    confirm: () =>
      locked(async () => {
        if ((await recover(options)) === 'trial') await dropJournal(options);
      }),
    rollback: () =>
      locked(async () => {
        const found = await openJournal(disk, path);
        if (found !== undefined) await undo(options, found);
        return found !== undefined;
      }),
  };
}

async function recover(options: InPlaceOptions): Promise<StorageStatus | 'undone'> {
  const found = await openJournal(options.disk, options.journal);
  if (found?.facts.isCommitted && !found.facts.isUndoing) return 'trial';
  if (found !== undefined) {
    await undo(options, found);
    return 'undone';
  }
  if ((await options.disk.size(options.journal)) !== undefined) await dropJournal(options);
  return 'settled';
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
    signal?.throwIfAborted();
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

async function undoIfNeeded(options: InPlaceOptions): Promise<void> {
  const found = await openJournal(options.disk, options.journal);
  if (found !== undefined) await undo(options, found);
}

/** Restores the bytes in the journal, checks the base's fingerprint, and removes the journal. */
async function undo(options: InPlaceOptions, { facts, entries, writer }: OpenJournal): Promise<void> {
  const { disk } = options;
  if (facts.isCommitted && !facts.isUndoing) {
    // After an interruption from here on, the update must not count as complete.
    await writer.mark('undoing');
    await writer.sync();
  }
  const touched = new Set<string>();
  for await (const { kind, path, offset, bytes } of entries()) {
    if (kind !== 'saved') continue;
    touched.add(path);
    await disk.write(path, offset, bytes);
  }
  for (const path of touched) await disk.sync(path);
  await checkFingerprint(options, facts.base);
  await dropJournal(options);
}

async function checkFingerprint(options: InPlaceOptions, expected: string): Promise<void> {
  const found = await fingerprintOf({ open: () => options.openModel(filesOnDisk(options)) });
  if (found === expected) return;
  const message = `Cannot roll back the model: expected ${expected}, got ${found}; journaled data was lost`;
  throw new NeuralDiffError('storage-mismatch', message, { facts: { expected, found } });
}

async function dropJournal({ disk, journal }: InPlaceOptions): Promise<void> {
  await disk.remove(journal);
  await disk.syncDirectory(folderOf(journal));
}
