import { NeuralDiffError } from '../model/errors.js';
import { keyIdOf, type ReleaseKey } from '../release/keys.js';
import { ROLES, type Role } from '../release/metadata.js';
import { type Change, checkRole, newEdition } from './init-repository.js';
import type { Signer } from './keys.js';
import {
  expiryOf,
  type Publication,
  type PublishOptions,
  previousOf,
  type Repository,
  rolePath,
} from './repository.js';
import { checkTuf, makeRoot, openTuf, type RoleKeys, rolesOf, signTuf, type Tuf } from './tuf-models.js';

/** Roles whose metadata expire first. */
export const ONLINE_ROLES: readonly Role[] = ['snapshot', 'timestamp'];

/**
 * Creates metadata with later expiry dates. New targets also need a new snapshot and timestamp; a new root
 * alone does not. Nothing is written.
 *
 * @param roles roles to sign again: regularly `ONLINE_ROLES`, less often `targets` and `root`
 * @throws NeuralDiffError `signature-invalid` for too few signers
 */
export async function refreshExpiry(
  repository: Repository,
  roles: readonly Role[],
  options: PublishOptions,
): Promise<Publication> {
  if (roles.includes('root'))
    return withRoot(repository, { roles: rolesOf(repository.root), touched: roles }, options);
  return newEdition(previousOf(repository), changeOf(repository, roles), options);
}

function changeOf({ targets, snapshot }: Repository, touched: readonly Role[]): Change {
  return touched.includes('targets') ? { targets: Object.values(targets.signed.targets) } : { snapshot };
}

/** A change of the keys of roles. */
export interface Rotation {
  readonly roles: readonly Role[];
  readonly add?: readonly ReleaseKey[];
  readonly remove?: readonly ReleaseKey[];
  /** Number of distinct keys that must sign afterwards; defaults to the present threshold. */
  readonly threshold?: number;
}

/**
 * Changes the keys of roles. Nothing is written.
 *
 * Creates a new root, signed by a threshold of both the old and the new root keys, and signs the metadata of
 * the changed roles with all available old and new keys, so that they are valid before and after the new root
 * is written, which is last. If only root keys change, the new root is sufficient.
 *
 * @throws NeuralDiffError `signature-invalid` for too few signers; `key-invalid` for a key to remove that a
 *   role lacks
 * @throws RangeError for a threshold that the keys cannot meet
 */
export async function rotateKeys(
  repository: Repository,
  rotation: Rotation,
  options: PublishOptions,
): Promise<Publication> {
  const roles = await changeRoles(rolesOf(repository.root), rotation);
  return withRoot(repository, { roles, touched: rotation.roles }, options);
}

async function changeRoles(
  before: Readonly<Record<Role, RoleKeys>>,
  { roles, add = [], remove = [], threshold }: Rotation,
): Promise<Record<Role, RoleKeys>> {
  const removed = new Set(await Promise.all(remove.map((key) => keyIdOf(key))));
  const added = await Promise.all(add.map(async (key) => ({ keyid: await keyIdOf(key), key })));
  const after = { ...before };
  for (const role of roles) {
    const { keys, threshold: old } = before[role];
    for (const id of removed)
      if (!keys.some(({ keyid }) => keyid === id))
        throw new NeuralDiffError('key-invalid', `Cannot remove key ${id}: not a key of the ${role} role`);
    const kept = keys.filter(({ keyid }) => !removed.has(keyid));
    after[role] = checkRole(role, { keys: [...kept, ...added], threshold: threshold ?? old });
  }
  return after;
}

interface NewRoot {
  readonly roles: Readonly<Record<Role, RoleKeys>>;
  /** Roles whose metadata are signed again. */
  readonly touched: readonly Role[];
}

async function withRoot(
  repository: Repository,
  { roles, touched }: NewRoot,
  options: PublishOptions,
): Promise<Publication> {
  const { versions } = previousOf(repository);
  const version = versions.root + 1;
  const name = rolePath('root', version);
  const signed = makeRoot({ version, expires: expiryOf('root', options) }, roles);
  const made = await signTuf(signed, ofRoles(options.signers, [rolesOf(repository.root).root, roles.root]));
  const root = openTuf('root', made.bytes, name);
  checkTuf(repository.root, { role: 'root', metadata: root, name });
  checkTuf(root, { role: 'root', metadata: root, name });
  const output = { path: name, bytes: made.bytes };
  if (touched.every((role) => role === 'root'))
    return { files: [output], versions: { ...versions, root: version } };
  const both = { versions, root: await combineRoots(repository.root, root) };
  const edition = await newEdition(both, changeOf(repository, touched), options);
  for (const { path, bytes } of edition.files) {
    const role = ROLES.find((each) => path.endsWith(`${each}.json`)) as Role;
    checkTuf(root, { role, metadata: openTuf(role, bytes, path), name: path });
  }
  return { files: [...edition.files, output], versions: { ...edition.versions, root: version } };
}

/** @returns an unsigned root with the keys of both roots, so that metadata are signed with all of them */
async function combineRoots(before: Tuf<'root'>, after: Tuf<'root'>): Promise<Tuf<'root'>> {
  const [old, fresh] = [rolesOf(before), rolesOf(after)];
  const both = (role: Role): RoleKeys => {
    const keys = new Map([...old[role].keys, ...fresh[role].keys].map((each) => [each.keyid, each]));
    return { keys: [...keys.values()], threshold: 1 };
  };
  const roles = Object.fromEntries(ROLES.map((role) => [role, both(role)])) as Record<Role, RoleKeys>;
  const { version, expires } = after.signed;
  const made = await signTuf(makeRoot({ version, expires: new Date(expires) }, roles), []);
  return openTuf('root', made.bytes, rolePath('root', version));
}

function ofRoles(signers: readonly Signer[], roles: readonly RoleKeys[]): Signer[] {
  const ids = new Set(roles.flatMap(({ keys }) => keys.map(({ keyid }) => keyid)));
  return signers.filter(({ keyid }) => ids.has(keyid));
}
