import type { TargetFile } from '@tufjs/models';
import { NeuralDiffError } from '../model/errors.js';
import { keyIdOf, type ReleaseKey, releaseKey } from '../release/keys.js';
import { ROLES, type Role } from '../release/metadata.js';
import type { OutputFile, RepositoryFiles } from './files.js';
import { expiryOf, type Publication, type PublishOptions, rolePath, signRole } from './repository.js';
import {
  makeRoot,
  makeSnapshot,
  makeTargets,
  makeTimestamp,
  openTuf,
  type RoleKeys,
  renewSnapshot,
  signTuf,
  type Tuf,
} from './tuf-models.js';

/**
 * Creates a repository without targets: version 1 of every role's metadata. Nothing is written.
 *
 * @param files an empty repository
 * @param roles public keys and thresholds; the signers must include enough keys of each role
 * @throws NeuralDiffError `output-exists`, `signature-invalid`, `key-invalid`
 * @throws RangeError for a threshold that a role's keys cannot meet
 */
export async function initRepository(
  files: RepositoryFiles,
  roles: Readonly<Record<Role, { readonly keys: readonly ReleaseKey[]; readonly threshold?: number }>>,
  options: PublishOptions,
): Promise<Publication> {
  if ((await files.list('metadata')).length > 0)
    throw new NeuralDiffError('output-exists', 'Cannot create repository: it already has metadata');
  const named = await nameRoles(roles);
  const signed = makeRoot({ version: 1, expires: expiryOf('root', options) }, named);
  // A root is signed with its own keys.
  const unsigned = openTuf('root', (await signTuf(signed, [])).bytes, rolePath('root', 1));
  const root = await signRole(unsigned, options.signers)('root', signed);
  const versions = { root: 1, targets: 0, snapshot: 0, timestamp: 0 };
  const edition = await newEdition({ root: unsigned, versions }, { targets: [] }, options);
  const [targets, snapshot, timestamp] = edition.files as [OutputFile, OutputFile, OutputFile];
  return { ...edition, files: [targets, snapshot, root, timestamp] };
}

/** @returns the keys with their IDs, after checking each role's threshold */
async function nameRoles(roles: Parameters<typeof initRepository>[1]): Promise<Record<Role, RoleKeys>> {
  const entries = ROLES.map(async (role) => {
    const { keys, threshold = 1 } = roles[role];
    const named = await Promise.all(keys.map(async (key) => ({ keyid: await keyIdOf(key), key })));
    return [role, checkRole(role, { keys: named, threshold })] as const;
  });
  return Object.fromEntries(await Promise.all(entries)) as Record<Role, RoleKeys>;
}

/**
 * Removes duplicate keys.
 *
 * @throws NeuralDiffError `key-invalid`
 * @throws RangeError for a threshold that a role's keys cannot meet
 */
export function checkRole(role: Role, { keys, threshold }: RoleKeys): RoleKeys {
  for (const { key } of keys) releaseKey(key.keyval.public);
  const distinct = [...new Map(keys.map((each) => [each.keyid, each])).values()];
  if (Number.isInteger(threshold) && threshold >= 1 && threshold <= distinct.length)
    return { keys: distinct, threshold };
  throw new RangeError(
    `Expected a threshold from 1 to ${distinct.length}, the keys of ${role}, got ${threshold}`,
  );
}

/** The existing metadata that a new edition follows. */
interface Previous {
  /** The root whose keys sign. */
  readonly root: Tuf<'root'>;
  /** Existing versions; 0 for missing metadata. */
  readonly versions: Readonly<Record<Role, number>>;
}

/** New targets, or the snapshot that lists the unchanged ones. */
export type Change = { readonly targets: readonly TargetFile[] } | { readonly snapshot: Tuf<'snapshot'> };

/**
 * Creates the next versions of targets (if they change), snapshot and timestamp.
 *
 * @returns the files, with the timestamp last
 * @throws NeuralDiffError `signature-invalid` for too few signers
 */
export async function newEdition(
  { root, versions }: Previous,
  change: Change,
  options: PublishOptions,
): Promise<Publication> {
  const { signers } = options;
  const edition = (role: 'targets' | 'snapshot' | 'timestamp') => ({
    version: versions[role] + 1,
    expires: expiryOf(role, options),
  });
  const sign = signRole(root, signers);
  const targets =
    'targets' in change ? await sign('targets', makeTargets(edition('targets'), change.targets)) : undefined;
  const listed = targets
    ? await makeSnapshot(edition('snapshot'), targets)
    : renewSnapshot(edition('snapshot'), (change as { snapshot: Tuf<'snapshot'> }).snapshot);
  const snapshot = await sign('snapshot', listed);
  const timestamp = await sign('timestamp', await makeTimestamp(edition('timestamp'), snapshot));
  return {
    files: targets ? [targets, snapshot, timestamp] : [snapshot, timestamp],
    versions: {
      root: versions.root,
      targets: targets?.version ?? versions.targets,
      snapshot: snapshot.version,
      timestamp: timestamp.version,
    },
  };
}
