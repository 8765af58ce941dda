import { hex } from '../model/bytes.js';
import { NeuralDiffError } from '../model/errors.js';
import { sha256 } from '../model/fingerprint.js';
import { FORMAT_VERSION } from '../payload/header.js';
import type { Release } from '../release/find-releases.js';
import { canonicalJson } from '../release/json.js';
import { encodeStatement, type ReleaseStatement } from '../release/statement.js';

/** A release whose content was rejected, although the file matches its signature. */
export interface RejectedRelease {
  /** Name of the file. */
  readonly name: string;
  /** SHA-256 of its statement as canonical JSON, in hexadecimal digits. */
  readonly statement: string;
  /** Code of the error. */
  readonly code: string;
  /** Versions of library, payload format and program that rejected it; other versions try again. */
  readonly by: string;
}

/** Maximum number of rejected releases that are recorded. */
const MAX_REJECTED_RELEASES = 64;

/**
 * Codes of errors in a file or its use on this device, which another download would not fix. Failures of
 * disks, networks and the stored model are not caused by a release.
 */
const RELEASE_FAULTS: ReadonlySet<string> = new Set([
  'wrong-layout',
  'needs-copy',
  'not-a-payload',
  'unsupported-version',
  'corrupt-payload',
  'limit-exceeded',
  'result-mismatch',
  'payload-mismatch',
  'bad-model',
  'empty-model',
  'unsupported-model',
  'unsafe-path',
]);

/** @returns the record of a failed release; undefined if the release did not cause the error */
export async function rejectionOf(
  statement: ReleaseStatement,
  error: unknown,
  programVersion: string | undefined,
): Promise<RejectedRelease | undefined> {
  if (!(error instanceof NeuralDiffError && RELEASE_FAULTS.has(error.code))) return undefined;
  const { name } = statement;
  return { name, statement: await digestOf(statement), code: error.code, by: versionsOf(programVersion) };
}

/** @returns the list with one more release, without the oldest if there are too many */
export function withRejected(
  refused: readonly RejectedRelease[] = [],
  next: RejectedRelease,
): readonly RejectedRelease[] {
  const others = refused.filter(({ statement }) => statement !== next.statement);
  return [...others, next].slice(-MAX_REJECTED_RELEASES);
}

/** @returns releases that this program version has rejected: the codes of their errors by name */
export async function rejectedAmong(
  releases: readonly Pick<Release, 'statement'>[],
  refused: readonly RejectedRelease[] = [],
  programVersion: string | undefined,
): Promise<ReadonlyMap<string, string>> {
  const by = versionsOf(programVersion);
  const codes = new Map(
    refused.filter((each) => each.by === by).map(({ statement, code }) => [statement, code]),
  );
  const found = new Map<string, string>();
  if (codes.size === 0) return found;
  for (const { statement } of releases) {
    const code = codes.get(await digestOf(statement));
    if (code !== undefined) found.set(statement.name, code);
  }
  return found;
}

async function digestOf(statement: ReleaseStatement): Promise<string> {
  return hex(await sha256(canonicalJson(encodeStatement(statement))));
}

/** @returns versions of library, payload format and program, in words */
export const versionsOf = (programVersion = ''): string =>
  `neural-diff ${LIBRARY_VERSION}, format ${FORMAT_VERSION}, program ${programVersion}`;

/** Version of this package. */
export const LIBRARY_VERSION = '0.1.0';
