import { NeuralDiffError } from '../model/errors.js';
import { fingerprint } from '../model/fingerprint.js';
import type { WeightStore } from '../model/store.js';

/** Whether the model is confirmed (`settled`), or updated and can be rolled back (`trial`). */
export type StorageStatus = 'settled' | 'trial';

/** Fingerprints, in hexadecimal digits, of a model before and after an update. */
export interface Fingerprints {
  readonly base: string;
  readonly next: string;
}

/** Parameters of an update. */
export interface UpdateTerms extends Fingerprints {
  /** Whether the model is on trial afterwards; defaults to true. */
  readonly isTrial?: boolean;
  /**
   * Cancels the update at any time before it is complete: writes are rolled back and the signal's reason is
   * thrown.
   */
  readonly signal?: AbortSignal | undefined;
}

/**
 * A model on a device, with atomic updates: after any interruption and `recover`, the model is the one before
 * or after the update. All methods except `open` take a lock.
 */
export interface ModelStorage {
  /** Path on its disk of what tells an update's state: the journal, or the pointer to the active copy. */
  readonly path?: string;
  /**
   * Recovers from an interrupted update. Call it before the model is used.
   *
   * @returns the model's status; `undone` if it rolled back an interrupted update
   * @throws NeuralDiffError `locked`; `storage-mismatch` if journaled data was lost
   */
  recover(): Promise<StorageStatus | 'undone'>;
  /** Opens the model for reading. Close the store before the model is updated. */
  open(): Promise<WeightStore>;
  /**
   * Changes the model. If `change` throws, the model is restored.
   *
   * @param change writes to the store and verifies the result; it must not close the store, which rejects
   *   writes once the promise settles
   * @throws RangeError for invalid fingerprints; NeuralDiffError `on-trial` for a model on trial, `locked`,
   *   `no-space`; any error of `change`
   */
  update(change: (store: WeightStore) => Promise<void>, terms: UpdateTerms): Promise<void>;
  /** Ends a trial: keeps the model and deletes the data for rolling back. Does nothing without a trial. */
  confirm(): Promise<void>;
  /**
   * Restores the model from before the trial.
   *
   * @returns false if there was no trial
   */
  rollback(): Promise<boolean>;
}

/** Reads the whole stored model. @returns its fingerprint in hexadecimal digits */
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
 * Checks the fingerprints of an update; without a valid base a journal could not be undone.
 *
 * @throws RangeError for invalid fingerprints
 */
export function checkFingerprints({ base, next }: Fingerprints): void {
  for (const [key, value] of Object.entries({ base, next })) {
    if (FINGERPRINT.test(value)) continue;
    throw new RangeError(
      `Cannot update the model: expected ${key} to be 32 hexadecimal digits, got "${value}"`,
    );
  }
}

/** @returns the error for an update while the previous one is on trial */
export function onTrial(): NeuralDiffError {
  const message = 'Cannot update the model: it is on trial; confirm or roll back first';
  return new NeuralDiffError('on-trial', message);
}

type Write = Parameters<NonNullable<WeightStore['rewrite']>>[0];

/**
 * Opens a store that can be replaced: after `rewrite` it is the new model.
 *
 * @param first the model at first
 * @param replace makes the new files, given the model at that time, and opens them; it closes the old ones
 */
export function openRewritable(
  first: WeightStore,
  replace: (write: Write, current: WeightStore) => Promise<WeightStore>,
): WeightStore {
  let current = first;
  const rewrite = async (write: Write): Promise<void> => {
    current = await replace(write, current);
  };
  return new Proxy(first, {
    get: (_, key) => (key === 'rewrite' ? rewrite : Reflect.get(current, key)),
  });
}
