import { NeuralDiffError } from '../model/errors.js';
import type { Role } from '../release/metadata.js';
import { type OutputFile, type RepositoryFiles, writeFiles } from './files.js';
import type { Signer } from './keys.js';
import { checkTuf, openTuf, rolesOf, signTuf, type Tuf, type TufSigned } from './tuf-models.js';

/** Days that each role's metadata hold unless others are given: the timestamp has to be renewed twice a month. */
export const EXPIRY_DAYS: Readonly<Record<Role, number>> = {
  root: 365,
  targets: 90,
  snapshot: 30,
  timestamp: 14,
};

/** What every change of a repository takes. */
export interface PublishOptions {
  /** Private keys; each role is signed by those of them that it names. */
  readonly signers: readonly Signer[];
  readonly now: () => Date;
  /** Days that new metadata hold; `EXPIRY_DAYS` where they are not given. */
  readonly expiryDays?: Partial<Record<Role, number>>;
}

/** The newest metadata of a repository, verified. */
export interface Repository {
  readonly root: Tuf<'root'>;
  readonly targets: Tuf<'targets'>;
  readonly snapshot: Tuf<'snapshot'>;
  readonly timestamp: Tuf<'timestamp'>;
}

/** A change that was worked out: nothing is written before `writePublication`. */
export interface Publication {
  /** In the order in which they are to be written: a half-finished change is never visible. */
  readonly files: readonly { readonly path: string; readonly bytes: Uint8Array }[];
  /** Version of each role's metadata afterwards. */
  readonly versions: Readonly<Record<Role, number>>;
}

/**
 * Reads a repository, from the newest root down, and verifies it: nothing that somebody else has put there is signed again.
 *
 * @throws NeuralDiffError `file-not-found` for a folder without a repository, `metadata-missing`, `metadata-corrupt`,
 *   `signature-invalid`; whatever the files throw
 */
export async function openRepository(files: RepositoryFiles): Promise<Repository> {
  const versions = (await files.list('metadata')).flatMap(
    (name) => /^(\d+)\.root\.json$/.exec(name)?.[1] ?? [],
  );
  if (versions.length === 0)
    throw new NeuralDiffError(
      'file-not-found',
      'Cannot open repository: it has no root metadata; begin with --init',
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
  return { root, targets, snapshot, timestamp };
}

async function readRequired(files: RepositoryFiles, path: string): Promise<Uint8Array> {
  const bytes = await files.read(path);
  if (bytes) return bytes;
  throw new NeuralDiffError('metadata-missing', `Cannot open repository: it has no "${path}"`);
}

/** @returns where a version of a role's metadata lies; there is one timestamp at a time */
export function rolePath(role: Role, version: number): string {
  return role === 'timestamp' ? 'metadata/timestamp.json' : `metadata/${version}.${role}.json`;
}

/** @returns until when metadata of a role hold that are made now */
export function expiryOf(role: Role, { now, expiryDays = {} }: PublishOptions): Date {
  const days = expiryDays[role] ?? EXPIRY_DAYS[role];
  if (!(days > 0 && days <= 36_500))
    throw new RangeError(`Expected 1 to 36,500 days for ${role}, got ${days}`);
  return new Date(now().getTime() + days * 86_400_000);
}

/** Metadata as a file, and their version. */
export interface SignedOutput extends OutputFile {
  readonly version: number;
}

/**
 * @returns what signs metadata by those of the signers that a root names for their role, verifies the result, and throws
 *   NeuralDiffError `signature-invalid` when the signers are too few
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

/** Writes a change, one file after the other. @throws NeuralDiffError `storage-mismatch`; whatever the files throw */
export function writePublication(files: RepositoryFiles, { files: outputs }: Publication): Promise<void> {
  return writeFiles(files, outputs);
}

/** @returns what the next versions of a repository's metadata follow */
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
