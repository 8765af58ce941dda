import type { Role } from '../release/index.js';
import { expiryOf, type Publication, type PublishOptions, signRole } from './repository.js';
import {
  makeSnapshot,
  makeTargets,
  makeTimestamp,
  renewSnapshot,
  type TargetFile,
  type Tuf,
} from './tuf-models.js';

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
