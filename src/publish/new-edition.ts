import type { Signer } from './keys.js';
import {
  expiryOf,
  type Publication,
  type PublishOptions,
  type Repository,
  signRole,
  versionsOf,
} from './repository.js';
import {
  makeSnapshot,
  makeTargets,
  makeTimestamp,
  renewSnapshot,
  type TargetFile,
  type Tuf,
} from './tuf-models.js';

/** What changes in a repository; targets that are not given stay as they are signed. */
export interface Change {
  readonly targets?: readonly TargetFile[];
  /** The root to sign by; the repository's own unless given. */
  readonly root?: Tuf<'root'>;
}

/**
 * Makes the next versions of targets (where they change), snapshot and timestamp.
 *
 * @returns the files, the timestamp last
 * @throws NeuralDiffError `signature-invalid` when the signers are too few
 */
export async function newEdition(
  repository: Repository,
  { targets, root = repository.root }: Change,
  options: PublishOptions,
): Promise<Publication> {
  const signers: readonly Signer[] = options.signers;
  const edition = (role: 'targets' | 'snapshot' | 'timestamp') => ({
    version: repository[role].signed.version + 1,
    expires: expiryOf(role, options),
  });
  const newTargets =
    targets &&
    (await signRole({ role: 'targets', signed: makeTargets(edition('targets'), targets) }, root, signers));
  const listed = newTargets
    ? await makeSnapshot(edition('snapshot'), newTargets)
    : renewSnapshot(edition('snapshot'), repository.snapshot);
  const snapshot = await signRole({ role: 'snapshot', signed: listed }, root, signers);
  const stamped = await makeTimestamp(edition('timestamp'), snapshot);
  const timestamp = await signRole({ role: 'timestamp', signed: stamped }, root, signers);
  const versions = {
    ...versionsOf(repository),
    root: root.signed.version,
    ...(newTargets && { targets: newTargets.version }),
    snapshot: snapshot.version,
    timestamp: timestamp.version,
  };
  return { files: [...(newTargets ? [newTargets] : []), snapshot, timestamp], versions };
}
