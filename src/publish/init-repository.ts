import type { TargetFile } from '@tufjs/models';
import { NeuralDiffError } from '../model/errors.js';
import { keyIdOf, type ReleaseKey } from '../release/keys.js';
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
 * Works out a repository without targets: version 1 of every role's metadata.
 *
 * @param files where nothing of a repository lies yet
 * @param roles public keys and thresholds; the signers must hold enough of each
 * @throws NeuralDiffError `output-exists`, `signature-invalid`
 * @throws RangeError for a threshold that a role's keys cannot meet
 */
export async function initRepository(
  files: RepositoryFiles,
  roles: Readonly<Record<Role, { readonly keys: readonly ReleaseKey[]; readonly threshold?: number }>>,
  options: PublishOptions,
): Promise<Publication> {
  if ((await files.list('metadata')).length > 0)
    throw new NeuralDiffError('output-exists', 'Cannot begin a repository: there are metadata already');
  const named = await nameRoles(roles);
  const signed = makeRoot({ version: 1, expires: expiryOf('root', options) }, named);
  // A root is signed by the keys that it names itself.
  const unsigned = openTuf('root', (await signTuf(signed, [])).bytes, rolePath('root', 1));
  const root = await signRole(unsigned, options.signers)('root', signed);
  const versions = { root: 1, targets: 0, snapshot: 0, timestamp: 0 };
  const edition = await newEdition({ root: unsigned, versions }, { targets: [] }, options);
  const [targets, snapshot, timestamp] = edition.files as [OutputFile, OutputFile, OutputFile];
  return { ...edition, files: [targets, snapshot, root, timestamp] };
}

/** @returns the keys by their names, each role's threshold checked */
export async function nameRoles(
  roles: Parameters<typeof initRepository>[1],
): Promise<Record<Role, RoleKeys>> {
  const entries = ROLES.map(async (role) => {
    const { keys, threshold = 1 } = roles[role];
    const named = await Promise.all(keys.map(async (key) => ({ keyid: await keyIdOf(key), key })));
    return [role, checkRole(role, { keys: named, threshold })] as const;
  });
  return Object.fromEntries(await Promise.all(entries)) as Record<Role, RoleKeys>;
}

/** @throws RangeError for a threshold that a role's keys cannot meet */
export function checkRole(role: Role, { keys, threshold }: RoleKeys): RoleKeys {
  const different = [...new Map(keys.map((each) => [each.keyid, each])).values()];
  if (Number.isInteger(threshold) && threshold >= 1 && threshold <= different.length)
    return { keys: different, threshold };
  throw new RangeError(
    `Expected a threshold from 1 to ${different.length}, the keys of ${role}, got ${threshold}`,
  );
}

/** What the next versions follow. */
export interface Previous {
  /** The root to sign by. */
  readonly root: Tuf<'root'>;
  /** Versions that there are; 0 of everything where a repository begins. */
  readonly versions: Readonly<Record<Role, number>>;
}

/** Targets that change, or the snapshot that lists those that stay. */
export type Change = { readonly targets: readonly TargetFile[] } | { readonly snapshot: Tuf<'snapshot'> };

/**
 * Makes the next versions of targets (where they change), snapshot and timestamp.
 *
 * @returns the files, the timestamp last
 * @throws NeuralDiffError `signature-invalid` when the signers are too few
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
