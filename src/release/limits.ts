import { type ErrorCode, type ErrorFacts, NeuralDiffError } from '../model/errors.js';

/** Nesting of objects and lists in metadata: what TUF writes needs 7. */
export const MAX_JSON_DEPTH = 16;

/** Signatures in one file: roles have a handful of keys. */
export const MAX_SIGNATURES = 64;

/** Keys in root metadata, or handed over to verify a release. */
export const MAX_KEYS = 256;

/** Bytes of a detached release: a statement and its signatures. */
export const MAX_RELEASE_BYTES = 65_536;

/** Bytes of a payload or a model file that a statement may name: more than any device stores. */
export const MAX_FILE_BYTES = 2 ** 40;

/** Metrics, or device classes, of one statement. */
export const MAX_STATEMENT_ENTRIES = 256;

/** What a device downloads at most before it can check anything. */
export interface TrustLimits {
  /** New roots in one refresh; a device that is further behind catches up in several. */
  readonly maxRootRotations: number;
  /** Bytes of one root. */
  readonly maxRootBytes: number;
  /** Bytes of the timestamp. */
  readonly maxTimestampBytes: number;
  /** Bytes of the snapshot, also where the timestamp names more. */
  readonly maxSnapshotBytes: number;
  /** Bytes of the targets, also where the snapshot names more. */
  readonly maxTargetsBytes: number;
}

/** Limits unless others are given: room for some thousand releases. */
export const TRUST_LIMITS: TrustLimits = {
  maxRootRotations: 256,
  maxRootBytes: 512_000,
  maxTimestampBytes: 16_384,
  maxSnapshotBytes: 2_000_000,
  maxTargetsBytes: 5_000_000,
};

/** @returns the error for metadata that no honest maker writes */
export function corrupt(what: string, problem: string, cause?: unknown): NeuralDiffError {
  return new NeuralDiffError('metadata-corrupt', `Cannot read ${what}: ${problem}`, { cause });
}

/** @returns the error for what is well-formed and must not be trusted */
export function refuse(code: ErrorCode, message: string, facts?: ErrorFacts): NeuralDiffError {
  return new NeuralDiffError(code, message, facts === undefined ? {} : { facts });
}
