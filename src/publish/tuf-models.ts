import {
  Metadata,
  MetadataKind,
  MetaFile,
  Root,
  Snapshot,
  TargetFile,
  Targets,
  Timestamp,
} from '@tufjs/models';
import { hex } from '../model/bytes.js';
import { NeuralDiffError } from '../model/errors.js';
import { sha256 } from '../model/fingerprint.js';
import type { JsonObject } from '../release/json.js';
import type { ReleaseKey } from '../release/keys.js';
import type { Role } from '../release/metadata.js';
import { encodeDate, type SignedFile } from '../release/statement.js';
import { type Signer, signedBy } from './keys.js';

/** Metadata by role, as classes of `@tufjs/models`. */
export interface TufSigned {
  readonly root: Root;
  readonly timestamp: Timestamp;
  readonly snapshot: Snapshot;
  readonly targets: Targets;
}

/** Metadata of a role with signatures. */
export type Tuf<R extends Role> = Metadata<TufSigned[R]>;

/** A target in targets metadata. */
export type { TargetFile } from '@tufjs/models';

/** Version of the TUF specification in metadata. */
const SPEC_VERSION = '1.0.31';

/** Version and expiry date of new metadata. */
interface Edition {
  readonly version: number;
  readonly expires: Date;
}

/** The keys of a role, and the number of them that must sign. */
export interface RoleKeys {
  readonly keys: readonly { readonly keyid: string; readonly key: ReleaseKey }[];
  readonly threshold: number;
}

function common({ version, expires }: Edition) {
  return { specVersion: SPEC_VERSION, version, expires: encodeDate(expires) };
}

/** @returns a root with consistent snapshots */
export function makeRoot(edition: Edition, roles: Readonly<Record<Role, RoleKeys>>): Root {
  const all = Object.values(roles).flatMap(({ keys }) => keys.map(({ keyid, key }) => [keyid, { ...key }]));
  const named = Object.entries(roles).map(([role, { keys, threshold }]) => [
    role,
    { keyids: keys.map(({ keyid }) => keyid), threshold },
  ]);
  const { specVersion, ...rest } = common(edition);
  return Root.fromJSON({
    ...rest,
    _type: 'root',
    spec_version: specVersion,
    consistent_snapshot: true,
    keys: Object.fromEntries(all),
    roles: Object.fromEntries(named),
  });
}

/** @returns the keys of each role in a root */
export function rolesOf({ signed }: Tuf<'root'>): Record<Role, RoleKeys> {
  const keysOf = (role: Role): RoleKeys => {
    const { keyIDs = [], threshold = 1 } = signed.roles[role] ?? {};
    const keys = keyIDs.flatMap((keyid) => {
      const key = signed.keys[keyid]?.toJSON() as unknown as ReleaseKey | undefined;
      return key ? [{ keyid, key }] : [];
    });
    return { keys, threshold };
  };
  return {
    root: keysOf('root'),
    timestamp: keysOf('timestamp'),
    snapshot: keysOf('snapshot'),
    targets: keysOf('targets'),
  };
}

/** @returns targets metadata that list some files */
export function makeTargets(edition: Edition, files: readonly TargetFile[]): Targets {
  return new Targets({
    ...common(edition),
    targets: Object.fromEntries(files.map((file) => [file.path, file])),
  });
}

/** @returns the description of a target, with custom data if given */
export async function makeTargetFile(
  path: string,
  bytes: Uint8Array,
  custom?: JsonObject,
): Promise<TargetFile> {
  return listTarget({ name: path, bytes: bytes.length, sha256: hex(await sha256(bytes)) }, custom);
}

/** @returns the description of a file that a statement signs, with custom data if given */
export function listTarget({ name, bytes, sha256 }: SignedFile, custom?: JsonObject): TargetFile {
  const unrecognizedFields = (custom ? { custom } : {}) as never;
  return new TargetFile({ path: name, length: bytes, hashes: { sha256 }, unrecognizedFields });
}

/** @returns a snapshot that lists targets metadata */
export async function makeSnapshot(edition: Edition, targets: MadeFile): Promise<Snapshot> {
  return new Snapshot({ ...common(edition), meta: { 'targets.json': await metaFile(targets) } });
}

/** @returns a snapshot with the list of another one */
export function renewSnapshot(edition: Edition, { signed }: Tuf<'snapshot'>): Snapshot {
  return new Snapshot({ ...common(edition), meta: signed.meta });
}

/** @returns a timestamp that lists a snapshot */
export async function makeTimestamp(edition: Edition, snapshot: MadeFile): Promise<Timestamp> {
  return new Timestamp({ ...common(edition), snapshotMeta: await metaFile(snapshot) });
}

/** A metadata file and its version. */
interface MadeFile {
  readonly version: number;
  readonly bytes: Uint8Array;
}

async function metaFile({ version, bytes }: MadeFile): Promise<MetaFile> {
  return new MetaFile({ version, length: bytes.length, hashes: { sha256: hex(await sha256(bytes)) } });
}

/**
 * Signs metadata and encodes them as canonical JSON.
 *
 * @returns the file; `checkTuf` checks whether the signatures are sufficient
 */
export async function signTuf(
  signed: Root | Timestamp | Snapshot | Targets,
  signers: readonly Signer[],
): Promise<MadeFile> {
  const json = signed.toJSON() as unknown as JsonObject;
  return { version: signed.version, bytes: await signedBy(signers, json) };
}

/**
 * Parses metadata without verifying them.
 *
 * @param name the file's name for errors
 * @throws NeuralDiffError `metadata-corrupt`
 */
export function openTuf<R extends Role>(role: R, bytes: Uint8Array, name: string): Tuf<R> {
  try {
    const json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    const kinds = {
      root: MetadataKind.Root,
      timestamp: MetadataKind.Timestamp,
      snapshot: MetadataKind.Snapshot,
      targets: MetadataKind.Targets,
    } as const;
    return Metadata.fromJSON(kinds[role] as MetadataKind.Root, json) as unknown as Tuf<R>;
  } catch (cause) {
    throw new NeuralDiffError('metadata-corrupt', `Cannot read "${name}": expected ${role} metadata`, {
      cause,
    });
  }
}

/**
 * Verifies metadata with the keys of a root.
 *
 * @param input role and metadata; `name`: the file's name for errors
 * @throws NeuralDiffError `signature-invalid`
 */
export function checkTuf<R extends Role>(
  root: Tuf<'root'>,
  { role, metadata, name }: { role: R; metadata: Tuf<R>; name: string },
): void {
  try {
    root.verifyDelegate(role, metadata);
  } catch (cause) {
    const threshold = root.signed.roles[role]?.threshold ?? 0;
    const message = `Cannot trust "${name}": expected signatures by ${threshold} keys of the ${role} role`;
    throw new NeuralDiffError('signature-invalid', message, { cause, facts: { expected: threshold } });
  }
}
