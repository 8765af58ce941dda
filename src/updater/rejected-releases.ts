import { hex } from '../model/bytes.js';
import { NeuralDiffError } from '../model/errors.js';
import { sha256 } from '../model/fingerprint.js';
import { FORMAT_VERSION } from '../payload/header.js';
import type { Release } from '../release/find-releases.js';
import { canonicalJson } from '../release/json.js';
import { encodeStatement, type ReleaseStatement } from '../release/statement.js';

/** A release that was refused for what is in its file, though that is the file that was signed. */
export interface RejectedRelease {
  /** Name of the file. */
  readonly name: string;
  /** SHA-256 of its statement as canonical JSON, in hexadecimal digits. */
  readonly statement: string;
  /** Code of the error. */
  readonly code: string;
  /** What refused it: versions of the library, the payload format and the program. Another one tries again. */
  readonly by: string;
}

/** Releases that are remembered as refused. */
const MAX_REJECTED_RELEASES = 64;

/**
 * Codes of what is wrong with a file, or with it on this device; to download it again would not help. Disks that fail or are full,
 * networks, and models that are not what they were are no fault of a release.
 */
const FAULTS: ReadonlySet<string> = new Set([
  ...['wrong-layout', 'not-a-payload', 'unsupported-version', 'corrupt-payload', 'limit-exceeded'],
  ...['result-mismatch', 'payload-mismatch', 'bad-model', 'unsupported-model', 'unsafe-path'],
]);

/** @returns what is to be remembered of a step that failed; undefined where the release is not to blame */
export async function rejectionOf(
  statement: ReleaseStatement,
  error: unknown,
  programVersion: string | undefined,
): Promise<RejectedRelease | undefined> {
  if (!(error instanceof NeuralDiffError && FAULTS.has(error.code))) return undefined;
  const { name } = statement;
  return { name, statement: await digestOf(statement), code: error.code, by: checkerOf(programVersion) };
}

/** @returns the list with a release more, the oldest left out where there are too many */
export function withRejected(
  refused: readonly RejectedRelease[] = [],
  next: RejectedRelease,
): readonly RejectedRelease[] {
  const others = refused.filter(({ statement }) => statement !== next.statement);
  return [...others, next].slice(-MAX_REJECTED_RELEASES);
}

/** @returns names of those releases that this program has refused as they are */
export async function namesOfRejected(
  releases: readonly Pick<Release, 'statement'>[],
  refused: readonly RejectedRelease[] = [],
  programVersion: string | undefined,
): Promise<ReadonlySet<string>> {
  const by = checkerOf(programVersion);
  const digests = new Set(refused.filter((each) => each.by === by).map(({ statement }) => statement));
  const names = new Set<string>();
  if (digests.size === 0) return names;
  for (const { statement } of releases) if (digests.has(await digestOf(statement))) names.add(statement.name);
  return names;
}

async function digestOf(statement: ReleaseStatement): Promise<string> {
  return hex(await sha256(canonicalJson(encodeStatement(statement))));
}

const checkerOf = (programVersion = ''): string =>
  `neural-diff ${LIBRARY_VERSION}, format ${FORMAT_VERSION}, program ${programVersion}`;

/** The package's own version. */
export const LIBRARY_VERSION = '0.1.0';
