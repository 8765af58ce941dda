import { NeuralDiffError } from '../model/errors.js';
import type { ModelFiles } from '../model/model-files.js';
import type { WeightStore } from '../model/store.js';
import type { Disk } from './disk.js';
import { filesOnDisk, folderOf, stoppable } from './disk.js';
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

/** Where a model is, and where its journal may be. */
export interface InPlaceOptions {
  readonly disk: Disk;
  /** Folder of the model's files on the disk; `''` is the outermost one. */
  readonly folder: string;
  /** A path on the disk for the journal, which takes as many bytes as an update touches. */
  readonly journal: string;
  /** Opens the model from its files: a container's reader with the name of its main file. */
  readonly openModel: (files: ModelFiles) => Promise<WeightStore>;
}

/**
 * Keeps a model in place: updates change its own files, page by page, under an undo journal beside them. Between a cut
 * and the next `recover` the files are a mixture: whoever reads them without this package must see to `recover` first.
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
  { isTrial = true, signal, ...names }: UpdateTerms,
): Promise<void> {
  checkFingerprints(names);
  if ((await recover(options)) === 'trial') throw onTrial();
  const files = new JournaledFiles(options, options.journal, names);
  const store = await options.openModel(stoppable(files, signal));
  try {
    await change(store);
    await store.flush();
    signal?.throwIfAborted();
    await files.close();
    if (files.journal !== undefined) await (isTrial ? commit(files.journal) : dropJournal(options));
  } catch (error) {
    await files.close();
    // Where the disk refuses this too, `recover` does it later.
    await undoAll(options).catch(() => undefined);
    throw error;
  } finally {
    await store.close();
  }
}

/** The update is whole once this is durable. */
async function commit(journal: JournalWriter): Promise<void> {
  await journal.mark('committed');
  await journal.sync();
}

async function undoAll(options: InPlaceOptions): Promise<void> {
  const found = await openJournal(options.disk, options.journal);
  if (found !== undefined) await undo(options, found);
}

/** Writes back what the journal kept, checks that this is the base, and removes the journal. */
async function undo(options: InPlaceOptions, { facts, entries, writer }: OpenJournal): Promise<void> {
  const { disk } = options;
  if (facts.isCommitted && !facts.isUndoing) {
    // A cut from here on must not find an update that is whole.
    await writer.mark('undoing');
    await writer.sync();
  }
  const touched = new Set<string>();
  for await (const { kind, path, offset, bytes } of entries()) {
    if (kind !== 'kept') continue;
    touched.add(path);
    await disk.write(path, offset, bytes);
  }
  for (const path of touched) await disk.sync(path);
  await checkModel(options, facts.base);
  await dropJournal(options);
}

async function checkModel(options: InPlaceOptions, expected: string): Promise<void> {
  const found = await fingerprintOf({ open: () => options.openModel(filesOnDisk(options)) });
  if (found === expected) return;
  const message = `Cannot put the model back: expected ${expected}, got ${found}; the disk lost what it was to keep`;
  throw new NeuralDiffError('storage-mismatch', message, { facts: { expected, found } });
}

async function dropJournal({ disk, journal }: InPlaceOptions): Promise<void> {
  await disk.remove(journal);
  await disk.syncDirectory(folderOf(journal));
}
