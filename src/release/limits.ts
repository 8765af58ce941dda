import { type ErrorCode, type ErrorFacts, NeuralDiffError } from '../model/errors.js';

/** Nesting of objects and lists in metadata; TUF needs 7. */
export const MAX_JSON_DEPTH = 16;

/** Signatures in one file; roles have few keys. */
export const MAX_SIGNATURES = 64;

/** Keys in root metadata, or passed to `verifyRelease`. */
export const MAX_KEYS = 256;

/** Bytes of a detached release: a statement and its signatures. */
export const MAX_RELEASE_BYTES = 65_536;

/** Bytes of a payload or a model file in a statement, more than any device stores. */
export const MAX_FILE_BYTES = 2 ** 40;

/** Bytes of a file of the index of older releases. */
export const MAX_INDEX_NODE_BYTES = 2 ** 20;

/** Metrics or device classes in one statement. */
export const MAX_STATEMENT_ENTRIES = 256;

/** Limits on downloads of metadata, which are untrusted until they are complete. */
export interface TrustLimits {
  /** New roots in one refresh; a device that is further behind needs several refreshes. */
  readonly maxRootRotations: number;
  /** Bytes of one root. */
  readonly maxRootBytes: number;
  /** Bytes of the timestamp. */
  readonly maxTimestampBytes: number;
  /** Bytes of the snapshot, even if the timestamp lists more. */
  readonly maxSnapshotBytes: number;
  /** Bytes of the targets, even if the snapshot lists more. */
  readonly maxTargetsBytes: number;
}

/** Default limits, enough for some thousand releases. */
export const TRUST_LIMITS: TrustLimits = {
  maxRootRotations: 256,
  maxRootBytes: 512_000,
  maxTimestampBytes: 16_384,
  maxSnapshotBytes: 2_000_000,
  maxTargetsBytes: 5_000_000,
};

/** @returns the error for malformed metadata */
export function corrupt(what: string, problem: string, cause?: unknown): NeuralDiffError {
  return new NeuralDiffError('metadata-corrupt', `Cannot read ${what}: ${problem}`, { cause });
}

/** @returns the error for well-formed data that must not be trusted */
export function refuse(code: ErrorCode, message: string, facts?: ErrorFacts): NeuralDiffError {
  return new NeuralDiffError(code, message, facts === undefined ? {} : { facts });
}
