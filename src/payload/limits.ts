import { NeuralDiffError } from '../model/errors.js';

/** Bytes of a payload file: more is no longer an update. */
export const MAX_PAYLOAD_BYTES = 2 ** 30;

/** Bytes of a payload's header: fingerprints, layout, kinds of records, metadata. */
export const MAX_HEADER_BYTES = 2 ** 19;

/** Records in a payload: each holds ops of one kind for any number of tensors. */
export const MAX_RECORDS = 2 ** 8;

/** Buckets of a hash op. */
export const MAX_BUCKETS = 2 ** 26;

/** Neighbouring weights that one hash may place. */
export const MAX_BLOCK = 1_024;

/** Magnitude of a level of a sparse op. */
export const MAX_SPARSE_LEVEL = 2 ** 15 - 1;

/** Magnitude of a level of a dense op, and of a bucket. */
export const MAX_DENSE_LEVEL = 2 ** 7 - 1;

/** Largest scale: times the largest level it is still a finite float32. */
export const MAX_SCALE = 2 ** 96;

/** Entries of the free-form metadata. */
export const MAX_META_ENTRIES = 64;

/** UTF-8 bytes of a metadata value. */
export const MAX_META_BYTES = 4_096;

/** @returns the error for bytes that no writer of this format makes */
export function corrupt(message: string, cause?: unknown): NeuralDiffError {
  return new NeuralDiffError('corrupt-payload', `Cannot read payload: ${message}`, { cause });
}

/** @returns the error for a number that is well-formed but beyond a limit */
export function beyondLimit(what: string, limit: number, got: number): NeuralDiffError {
  return new NeuralDiffError(
    'limit-exceeded',
    `Cannot read payload: expected ${what} up to ${limit}, got ${got}`,
    {
      facts: { limit, got },
    },
  );
}
