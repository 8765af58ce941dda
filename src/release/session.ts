import { hex } from '../model/bytes.js';
import { NeuralDiffError } from '../model/errors.js';
import { type Sha256, sha256 } from '../model/fingerprint.js';
import type { VerifyEd25519 } from './ed25519.js';
import { checkSignatures, parseEnvelope } from './envelope.js';
import type { JsonObject } from './json.js';
import { refuse, type TrustLimits } from './limits.js';
import {
  type FetchMetadata,
  type MetadataStore,
  type MetaFile,
  parseRoot,
  parseSnapshot,
  parseTargets,
  parseTimestamp,
  type Role,
  type Root,
  type Snapshot,
  type Targets,
  type Timestamp,
} from './metadata.js';

/** Dependencies and state of one refresh. */
export interface Session {
  readonly store: MetadataStore;
  readonly fetchMetadata: FetchMetadata;
  readonly limits: TrustLimits;
  /** The time that expiry dates are compared with. */
  readonly updateStart: Date;
  readonly ed25519?: VerifyEd25519;
  readonly sha256?: Sha256;
}

/** Metadata by role. */
export interface SignedByRole {
  readonly root: Root;
  readonly timestamp: Timestamp;
  readonly snapshot: Snapshot;
  readonly targets: Targets;
}

const PARSERS: { readonly [R in Role]: (signed: JsonObject, what: string) => SignedByRole[R] } = {
  root: parseRoot,
  timestamp: parseTimestamp,
  snapshot: parseSnapshot,
  targets: parseTargets,
};

/** @returns the maximum bytes of a role's file */
export function maxBytesOf(role: Role, limits: TrustLimits): number {
  return {
    root: limits.maxRootBytes,
    timestamp: limits.maxTimestampBytes,
    snapshot: limits.maxSnapshotBytes,
    targets: limits.maxTargetsBytes,
  }[role];
}

/** Fetches a file and checks its length. @throws NeuralDiffError `limit-exceeded` */
export async function fetchFile(
  session: Session,
  name: string,
  maxBytes: number,
): Promise<Uint8Array | undefined> {
  const bytes = await session.fetchMetadata(name, maxBytes);
  if (bytes === undefined || bytes.length <= maxBytes) return bytes;
  const message = `Cannot read metadata "${name}": expected at most ${maxBytes} bytes, got ${bytes.length}`;
  throw refuse('limit-exceeded', message, { limit: maxBytes, got: bytes.length });
}

/**
 * Fetches a file that the repository must have. @throws NeuralDiffError `metadata-missing`, `limit-exceeded`
 */
export async function fetchRequired(session: Session, name: string, maxBytes: number): Promise<Uint8Array> {
  const bytes = await fetchFile(session, name, maxBytes);
  if (bytes) return bytes;
  throw refuse('metadata-missing', `Cannot refresh trust: the repository has no metadata "${name}"`);
}

/** A metadata file of a role. */
interface RoleFile<R extends Role> {
  readonly role: R;
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Verifies a metadata file with the keys of a root, then parses it. */
export async function openSigned<R extends Role>(
  session: Session,
  root: Root,
  { role, name, bytes }: RoleFile<R>,
): Promise<SignedByRole[R]> {
  const what = `metadata "${name}"`;
  const envelope = parseEnvelope(bytes, { what, maxBytes: maxBytesOf(role, session.limits) });
  const signedBy = await checkSignatures(envelope, root.roles[role], session.ed25519);
  return { ...PARSERS[role](envelope.signed, what), signedBy };
}

/** Metadata from the store. */
export interface Stored<T> {
  readonly bytes: Uint8Array;
  readonly value: T;
}

/** Reads metadata from the store; a file that is damaged or not signed by the current keys is removed. */
export async function readStored<R extends Role>(
  session: Session,
  root: Root,
  role: R,
): Promise<Stored<SignedByRole[R]> | undefined> {
  const name = `${role}.json`;
  const bytes = await session.store.read(name);
  if (bytes === undefined) return undefined;
  try {
    return { bytes, value: await openSigned(session, root, { role, name, bytes }) };
  } catch (error) {
    if (!(error instanceof NeuralDiffError)) throw error;
    await session.store.remove(name);
    return undefined;
  }
}

/** @returns whether a file has the listed length and hash */
export async function isListed(session: Session, bytes: Uint8Array, meta: MetaFile): Promise<boolean> {
  if (meta.length !== undefined && meta.length !== bytes.length) return false;
  if (meta.sha256 === undefined) return true;
  return hex(await (session.sha256 ?? sha256)(bytes)) === meta.sha256;
}

/** @throws NeuralDiffError `metadata-rollback` for a smaller version than the trusted one */
export function checkNotOlder(what: string, trusted: number, found: number): void {
  if (found >= trusted) return;
  const message = `Cannot trust ${what}: expected version ${trusted} or newer, got ${found}`;
  throw refuse('metadata-rollback', message, { expected: trusted, found });
}

/** @returns whether two roots list different keys for a role */
export function isRotated(a: Root, b: Root, role: Role): boolean {
  const [left, right] = [a, b].map((root) =>
    [...root.roles[role].keys.values()]
      .map((key) => key.keyval.public)
      .sort()
      .join(),
  );
  return left !== right;
}
