import { readdir } from 'node:fs/promises';
import { NeuralDiffError } from '../src/model/errors.js';
import type { FileStorage } from '../src/node/open-model.js';
import { fingerprintOf } from '../src/storage/storage.js';
import { readTrial } from '../src/updater/state.js';

/** A model, and the updater that is asked about it. */
export interface OwnUpdater {
  readonly storage: FileStorage;
  /** The updater's folder, beside the model. */
  readonly folder: string;
  /** Path of the model, as it was given. */
  readonly model: string;
}

/**
 * Looks beside a model for a program's updater that has it on trial, in a folder of another name.
 *
 * @param readName reads the model's fingerprint; called only where there is such a folder
 * @returns the folder; undefined where there is none, or the updater that was asked has a trial itself
 */
export async function findOtherTrial(
  { storage, folder }: OwnUpdater,
  readName: () => Promise<string> = () => fingerprintOf(storage),
): Promise<string | undefined> {
  const { disk } = storage;
  if ((await readTrial({ disk, folder })) !== undefined) return undefined;
  let name: string | undefined;
  for (const other of await foldersBeside(storage)) {
    if (other === folder) continue;
    // Files of other programs may have the same name.
    const trial = await readTrial({ disk, folder: other }).catch(() => undefined);
    if (trial === undefined) continue;
    name ??= await readName();
    if (trial.next === name) return other;
  }
  return undefined;
}

/** @throws NeuralDiffError `on-trial` where another updater has the model on trial: only that one knows how to end it */
export async function refuseOtherTrial(own: OwnUpdater): Promise<void> {
  const other = await findOtherTrial(own);
  if (other === undefined) return;
  const message = `Cannot change "${own.model}": it is on trial by the updater in "${other}"; give --updates ${other}`;
  throw new NeuralDiffError('on-trial', message, { facts: { found: other } });
}

async function foldersBeside({ root }: FileStorage): Promise<string[]> {
  const entries = await readdir(root, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}
