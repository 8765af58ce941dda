import { NeuralDiffError } from '../model/errors.js';
import { fingerprint } from '../model/fingerprint.js';
import type { WeightStore } from '../model/store.js';

/** Whether the model is as it was confirmed, or updated and on trial: one that may still be rolled back. */
export type StorageStatus = Exclude<Awaited<ReturnType<ModelStorage['recover']>>, 'undone'>;

/** The fingerprints, in hexadecimal digits, of a model before and after an update. */
export interface Fingerprints {
  readonly base: string;
  readonly next: string;
}

/** What an update begins and ends with, and whether it may be rolled back. */
export interface UpdateTerms extends Fingerprints {
  /** Whether the model is on trial afterwards; default true. */
  readonly isTrial?: boolean;
  /**
   * Stops the update at any moment until it is whole, also between two writes: what was written is undone, the model is as before,
   * and `update` throws the signal's reason.
   */
  readonly signal?: AbortSignal | undefined;
}

/**
 * A model on a device, and how it changes: whole, or not at all. Whatever happens in between, after `recover` the model
 * is the one before an update or the one after it. Everything but `open` runs under a lock.
 */
export interface ModelStorage {
  /**
   * Puts right what a power cut or a killed process left. Call it before the model is used.
   *
   * @returns how the model is; `undone` for one that is settled since an update was undone that had not come to its end
   * @throws NeuralDiffError `locked`; `storage-mismatch` where the disk lost what it was to keep
   */
  recover(): Promise<'settled' | 'trial' | 'undone'>;
  /** Opens the model as it is, to be read. Close the store before the model is updated. */
  open(): Promise<WeightStore>;
  /**
   * Changes the model. When `change` throws, the model is as before.
   *
   * @param change writes into the store that it gets and checks what it wrote; it does not close the store, which takes no more writes
   *   once the promise settles
   * @throws RangeError for names that are no fingerprints; NeuralDiffError `on-trial` for a model that is on trial already, `locked`, `no-space`; whatever `change` throws
   */
  update(change: (store: WeightStore) => Promise<void>, terms: UpdateTerms): Promise<void>;
  /** Ends a trial: the model stays, and what was kept for rolling back goes. Nothing where there is no trial. */
  confirm(): Promise<void>;
  /**
   * Puts the model back as it was before the trial.
   *
   * @returns false where there is no trial, and nothing was done
   */
  rollback(): Promise<boolean>;
}

/** @returns the fingerprint, in hexadecimal digits, of the model as it is stored: it is read whole */
export async function fingerprintOf({ open }: Pick<ModelStorage, 'open'>): Promise<string> {
  const store = await open();
  try {
    return await fingerprint(store);
  } finally {
    await store.close();
  }
}

const FINGERPRINT = /^[0-9a-f]{32}$/;

/**
 * A journal that names no base could not be undone.
 *
 * @throws RangeError for names that are no fingerprints
 */
export function checkFingerprints({ base, next }: Fingerprints): void {
  for (const [which, name] of Object.entries({ base, next })) {
    if (FINGERPRINT.test(name)) continue;
    throw new RangeError(
      `Cannot update the model: expected ${which} to be 32 hexadecimal digits, got "${name}"`,
    );
  }
}

/** @returns the refusal of an update while the one before may still be rolled back */
export function onTrial(): NeuralDiffError {
  const message = 'Cannot update the model: it is on trial; confirm it or roll it back first';
  return new NeuralDiffError('on-trial', message);
}
