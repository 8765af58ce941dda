import { NeuralDiffError } from '../model/errors.js';
import { Fields } from '../release/json.js';
import type { Role } from '../release/metadata.js';
import { INDEX_FIELD, INDEX_NAME } from '../release/release-index.js';
import type { ReleaseStatement } from '../release/statement.js';
import { type OutputFile, type RepositoryFiles, writeFiles } from './files.js';
import type { Signer } from './keys.js';
import { readIndex } from './release-index.js';
import { checkTuf, openTuf, rolesOf, signTuf, type Tuf, type TufSigned } from './tuf-models.js';

/** Default validity of each role's metadata in days; the timestamp must be renewed twice a month. */
const EXPIRY_DAYS: Readonly<Record<Role, number>> = {
  root: 365,
  targets: 90,
  snapshot: 30,
  timestamp: 14,
};

/** Options of every change of a repository. */
export interface PublishOptions {
  /** Private keys; each role is signed with those that it lists. */
  readonly signers: readonly Signer[];
  readonly now: () => Date;
  /**
   * Newest releases that the metadata list, for each group of devices, from 1; an index lists older ones,
   * which devices read only if they need them. Defaults to that of the repository, at first to all.
   */
  readonly keep?: number | undefined;
  /** Validity of new metadata in days; missing roles default to `EXPIRY_DAYS`. */
  readonly expiryDays?: Partial<Record<Role, number>>;
}

/** The newest metadata of a repository, verified. */
export interface Repository {
  readonly root: Tuf<'root'>;
  readonly targets: Tuf<'targets'>;
  readonly snapshot: Tuf<'snapshot'>;
  readonly timestamp: Tuf<'timestamp'>;
  /** Releases that the index lists. */
  readonly older: readonly ReleaseStatement[];
  /** Newest releases that the metadata list; undefined without an index. */
  readonly keep: number | undefined;
}

/** A prepared change of a repository, to be written by `writePublication`. */
export interface Publication {
  /** In the order of writing, so that a partial change is never visible. */
  readonly files: readonly { readonly path: string; readonly bytes: Uint8Array }[];
  /** Version of each role's metadata after the change. */
  readonly versions: Readonly<Record<Role, number>>;
}

/**
 * Reads and verifies a repository, starting with the newest root, so that foreign metadata are never signed
 * again.
 *
 * @throws NeuralDiffError `file-not-found` for a folder without a repository, `metadata-missing`,
 *   `metadata-corrupt`, `metadata-mismatch`, `signature-invalid`; any error of the files
 */
export async function openRepository(files: RepositoryFiles): Promise<Repository> {
  const versions = (await files.list('metadata')).flatMap(
    (name) => /^(\d+)\.root\.json$/.exec(name)?.[1] ?? [],
  );
  if (versions.length === 0)
    throw new NeuralDiffError(
      'file-not-found',
      'Cannot open repository: no root metadata found; create one with --init',
    );
  const newest = Math.max(...versions.map(Number));
  const rootBytes = await readRequired(files, rolePath('root', newest));
  const root = openTuf('root', rootBytes, rolePath('root', newest));
  checkTuf(root, { role: 'root', metadata: root, name: rolePath('root', newest) });
  const open = async <R extends Exclude<Role, 'root'>>(role: R, version: number): Promise<Tuf<R>> => {
    const name = rolePath(role, version);
    const metadata = openTuf(role, await readRequired(files, name), name);
    checkTuf(root, { role, metadata, name });
    return metadata;
  };
  const timestamp = await open('timestamp', 0);
  const snapshot = await open('snapshot', timestamp.signed.snapshotMeta.version);
  const targets = await open('targets', snapshot.signed.meta['targets.json']?.version ?? 0);
  return { root, targets, snapshot, timestamp, ...(await openIndex(files, targets)) };
}

async function openIndex(
  files: RepositoryFiles,
  { signed }: Tuf<'targets'>,
): Promise<Pick<Repository, 'older' | 'keep'>> {
  const { [INDEX_NAME]: target } = signed.targets;
  const { [INDEX_FIELD]: facts } = target?.custom ?? {};
  if (target === undefined || facts === undefined) return { older: [], keep: undefined };
  const keep = new Fields(facts, `metadata of "${INDEX_NAME}"`).whole('keep', 1);
  const older = await readIndex(files, { bytes: target.length, sha256: target.hashes.sha256 ?? '' });
  return { older, keep };
}

async function readRequired(files: RepositoryFiles, path: string): Promise<Uint8Array> {
  const bytes = await files.read(path);
  if (bytes) return bytes;
  throw new NeuralDiffError('metadata-missing', `Cannot open repository: missing "${path}"`);
}

/** @returns the path of a version of a role's metadata; the timestamp has a fixed path */
export function rolePath(role: Role, version: number): string {
  return role === 'timestamp' ? 'metadata/timestamp.json' : `metadata/${version}.${role}.json`;
}

/** @returns the expiry date of new metadata of a role */
export function expiryOf(role: Role, { now, expiryDays = {} }: PublishOptions): Date {
  const days = expiryDays[role] ?? EXPIRY_DAYS[role];
  if (!(days > 0 && days <= 36_500))
    throw new RangeError(`Expected 1 to 36,500 days for ${role}, got ${days}`);
  return new Date(now().getTime() + days * 86_400_000);
}

/** A metadata file and its version. */
interface SignedOutput extends OutputFile {
  readonly version: number;
}

/**
 * Creates a function that signs metadata with the signers that a root lists for the role.
 *
 * @returns the function; it verifies the result and throws NeuralDiffError `signature-invalid` for too few
 *   signers
 */
export function signRole(root: Tuf<'root'>, signers: readonly Signer[]) {
  const roles = rolesOf(root);
  return async <R extends Role>(role: R, signed: TufSigned[R]): Promise<SignedOutput> => {
    const ids = new Set(roles[role].keys.map(({ keyid }) => keyid));
    const made = await signTuf(
      signed,
      signers.filter(({ keyid }) => ids.has(keyid)),
    );
    const path = rolePath(role, made.version);
    checkTuf(root, { role, metadata: openTuf(role, made.bytes, path), name: path });
    return { path, ...made };
  };
}

/** Writes a change, file by file. @throws NeuralDiffError `storage-mismatch`; any error of the files */
export function writePublication(files: RepositoryFiles, { files: outputs }: Publication): Promise<void> {
  return writeFiles(files, outputs);
}

/** @returns the root and the versions that a repository's next metadata follow */
export function previousOf({ root, targets, snapshot, timestamp }: Repository): {
  root: Tuf<'root'>;
  versions: Record<Role, number>;
} {
  const versions = {
    root: root.signed.version,
    targets: targets.signed.version,
    snapshot: snapshot.signed.version,
    timestamp: timestamp.signed.version,
  };
  return { root, versions };
}
