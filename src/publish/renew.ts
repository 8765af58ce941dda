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

/** Roles whose metadata run out first. */
export const ONLINE_ROLES: readonly Role[] = ['snapshot', 'timestamp'];

/**
 * Works out metadata that hold longer. Whatever is newer than the root needs a new snapshot and timestamp too; a root alone
 * does not.
 *
 * @param roles what to sign anew: `ONLINE_ROLES`, and now and then `targets` and `root`
 * @throws NeuralDiffError `signature-invalid` when the signers are too few
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

/** How the keys of roles change. */
export interface Rotation {
  readonly roles: readonly Role[];
  readonly add?: readonly ReleaseKey[];
  readonly remove?: readonly ReleaseKey[];
  /** Different keys that must sign from then on; as before unless given. */
  readonly threshold?: number;
}

/**
 * Works out new keys for roles: a new root that a threshold of the old and of the new root keys sign, and new signatures of
 * what the roles answer for, by old and new keys alike as far as they are at hand, so that devices are served before and after
 * the new root appears. It is written last. Root keys alone need nothing but the new root.
 *
 * @throws NeuralDiffError `signature-invalid` when the signers are too few; `key-invalid` for a key to remove that no role has
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
  const gone = new Set(await Promise.all(remove.map((key) => keyIdOf(key))));
  const added = await Promise.all(add.map(async (key) => ({ keyid: await keyIdOf(key), key })));
  const after = { ...before };
  for (const role of roles) {
    const { keys, threshold: old } = before[role];
    for (const id of gone)
      if (!keys.some(({ keyid }) => keyid === id))
        throw new NeuralDiffError(
          'key-invalid',
          `Cannot remove key ${id}: the ${role} role does not have it`,
        );
    const kept = keys.filter(({ keyid }) => !gone.has(keyid));
    after[role] = checkRole(role, { keys: [...kept, ...added], threshold: threshold ?? old });
  }
  return after;
}

interface NewRoot {
  readonly roles: Readonly<Record<Role, RoleKeys>>;
  /** Roles whose metadata are to be signed anew. */
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
  const both = { versions, root: await overlap(repository.root, root) };
  const edition = await newEdition(both, changeOf(repository, touched), options);
  for (const { path, bytes } of edition.files) {
    const role = ROLES.find((each) => path.endsWith(`${each}.json`)) as Role;
    checkTuf(root, { role, metadata: openTuf(role, bytes, path), name: path });
  }
  return { files: [...edition.files, output], versions: { ...edition.versions, root: version } };
}

/** @returns an unsigned root that names the keys of both, so that whoever signs by it signs with all of them */
async function overlap(before: Tuf<'root'>, after: Tuf<'root'>): Promise<Tuf<'root'>> {
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
