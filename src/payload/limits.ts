import { NeuralDiffError } from '../model/errors.js';

/** Bytes of a payload file. */
export const MAX_PAYLOAD_BYTES = 2 ** 36;

/** Records in a payload: each holds ops of one kind for any number of tensors. */
export const MAX_RECORDS = 2 ** 8;

/** Records that may name the same tensor: bounds the work and the memory of applying. */
export const MAX_PASSES = 16;

/** Delta records that are begun and not yet read to their end, at any place of the model. */
export const MAX_OPEN_DELTAS = 4;

/** Buckets of all hash ops of a payload. */
export const MAX_BUCKETS = 2 ** 21;

/** Consecutive weights that one hash may place. */
export const MAX_BLOCK = 1_024;

/** Products that the low-rank ops of a tensor add to an element, one for each rank: bounds the work. */
export const MAX_PRODUCTS = 2 ** 10;

/** Levels of columns of all low-rank ops of a tensor, which a reader holds while it reads the tensor. */
export const MAX_COLUMN_LEVELS = 2 ** 22;

/** Magnitude of a level of a sparse or low-rank op. */
export const MAX_SPARSE_LEVEL = 2 ** 15 - 1;

/** Magnitude of a level of a dense op, and of a bucket. */
export const MAX_DENSE_LEVEL = 2 ** 7 - 1;

/** Largest scale; multiplied by the largest level it is still a finite float32. */
export const MAX_SCALE = 2 ** 96;

/** Entries of the free-form metadata. */
export const MAX_META_ENTRIES = 64;

/** UTF-8 bytes of a metadata value. */
export const MAX_META_BYTES = 4_096;

/** Files that a payload makes. */
export const MAX_FILES = 4_096;

/** UTF-8 bytes of the path of a file that a payload makes. */
export const MAX_FILE_NAME_BYTES = 1_024;

/** Bytes of all files that a payload makes. */
export const MAX_FILES_BYTES = 2 ** 40;

/** Bytes of those files, or of the base's, that belong to no tensor: they are held in memory. */
export const MAX_STRUCTURE_BYTES = 2 ** 26;

/** @returns the error for bytes that violate the format */
export function corrupt(message: string, cause?: unknown): NeuralDiffError {
  return new NeuralDiffError('corrupt-payload', `Cannot read payload: ${message}`, { cause });
}

/** @returns the error for a well-formed number above a limit */
export function beyondLimit(what: string, limit: number, got: number): NeuralDiffError {
  const message = `Cannot use payload: expected at most ${limit} ${what}, got ${got}`;
  return new NeuralDiffError('limit-exceeded', message, { facts: { limit, got } });
}
