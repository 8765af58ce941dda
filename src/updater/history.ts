import { NeuralDiffError } from '../model/errors.js';
import { encodeUtf8, tryDecodeUtf8 } from '../model/text.js';
import { readRecord, writeRecord } from '../storage/disk.js';
import type { UpdatePlan } from './plan-update.js';
import type { Installed, StateLocation, Trial } from './state.js';

/** Maximum number of releases in a history. */
const MAX_INSTALLED = 64;

const pathOf = ({ folder }: StateLocation): string => `${folder}/history`;

/** @returns what of a plan the history will say */
export function evidenceOf({ steps, signedBy }: UpdatePlan): Pick<Trial, 'files' | 'signedBy'> {
  const files = steps.map(({ statement: { name, bytes, sha256 } }) => ({ name, bytes, sha256 }));
  return { files, ...(signedBy && { signedBy }) };
}

/** @returns the releases that were confirmed, oldest first; none if the record is damaged */
export async function readHistory(location: StateLocation): Promise<readonly Installed[]> {
  try {
    const bytes = await readRecord(location.disk, pathOf(location));
    const value: unknown = bytes && JSON.parse(tryDecodeUtf8(bytes) ?? '');
    return Array.isArray(value) ? value : [];
  } catch (error) {
    const isDamage = error instanceof NeuralDiffError && error.code === 'storage-mismatch';
    if (isDamage || error instanceof SyntaxError) return [];
    throw error;
  }
}

/**
 * Adds a confirmed trial to the history. Called again after an interruption, it adds nothing.
 *
 * @param at when it was confirmed
 */
export async function addToHistory(location: StateLocation, trial: Trial, at: Date): Promise<void> {
  const { base, next, counter, files, signedBy } = trial;
  const history = await readHistory(location);
  const last = history.at(-1);
  if (last?.base === base && last.next === next && last.counter === counter) return;
  const entry: Installed = {
    ...{ confirmedAt: at.toISOString(), base, next, counter, files: files ?? [] },
    ...(signedBy && { signedBy }),
  };
  const text = JSON.stringify([...history, entry].slice(-MAX_INSTALLED));
  await writeRecord(location.disk, pathOf(location), encodeUtf8(text));
}
