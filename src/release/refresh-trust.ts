import { NeuralDiffError } from '../model/errors.js';
import type { Sha256 } from '../model/fingerprint.js';
import type { VerifyEd25519 } from './ed25519.js';
import { checkSignatures, type Envelope, parseEnvelope } from './envelope.js';
import { corrupt, refuse, TRUST_LIMITS, type TrustLimits } from './limits.js';
import {
  type FetchMetadata,
  type MetadataStore,
  type MetaFile,
  parseRoot,
  type Root,
  type Snapshot,
  type Targets,
  type Timestamp,
} from './metadata.js';
import {
  checkNotOlder,
  fetchFile,
  fetchRequired,
  isListed,
  isRotated,
  maxBytesOf,
  openSigned,
  readStored,
  type Session,
  type SignedByRole,
  type Stored,
} from './session.js';
import { checkNotExpired } from './verify-release.js';

/** Options of `refreshTrust`. */
export interface TrustOptions {
  /** Any version of the repository's root metadata, shipped with the program. */
  readonly root: Uint8Array;
  readonly store: MetadataStore;
  readonly fetchMetadata: FetchMetadata;
  readonly now: () => Date;
  /** Limits of downloads; missing ones default to `TRUST_LIMITS`. */
  readonly limits?: Partial<TrustLimits>;
  /** Verifies Ed25519 signatures; defaults to WebCrypto with `@noble/ed25519` as fallback. */
  readonly ed25519?: VerifyEd25519;
  /** SHA-256 implementation; defaults to the runtime's. */
  readonly sha256?: Sha256;
}

/** Consistent metadata, each signed by a threshold of its role's keys and not expired. */
export interface Trust {
  readonly root: Root;
  readonly timestamp: Timestamp;
  readonly snapshot: Snapshot;
  readonly targets: Targets;
  /** The time that all expiry dates were compared with. */
  readonly updateStart: Date;
}

/**
 * Fetches and verifies a repository's newest metadata: the client workflow of TUF 1.0, sections 5.1 to 5.6,
 * without delegations.
 *
 * Verified metadata are stored immediately. After an error the metadata trusted before remain.
 *
 * @returns the newest metadata
 * @throws NeuralDiffError `signature-invalid`, `metadata-expired`, `metadata-rollback`, `metadata-mismatch`,
 *   `metadata-missing`, `metadata-corrupt`, `limit-exceeded`, `unsupported-version`; any error of store and
 *   fetch
 */
export async function refreshTrust({ root: builtIn, now, limits, ...rest }: TrustOptions): Promise<Trust> {
  // 5.1 Record fixed update start time.
  const updateStart = now();
  const session: Session = { ...rest, limits: { ...TRUST_LIMITS, ...limits }, updateStart };
  const root = await updateRoot(session, builtIn);
  const timestamp = await updateTimestamp(session, root);
  const snapshot = await updateListed(session, root, { role: 'snapshot', meta: timestamp.snapshot });
  const meta = snapshot.meta.get('targets.json');
  if (meta === undefined) throw corrupt('metadata "snapshot.json"', 'expected it to list "targets.json"');
  const targets = await updateListed(session, root, { role: 'targets', meta });
  return { root, timestamp, snapshot, targets, updateStart };
}

/**
 * Loads and verifies the stored metadata, without network access.
 *
 * @throws NeuralDiffError as `refreshTrust`; `metadata-missing` for incomplete stored metadata
 */
export function loadTrust(options: Omit<TrustOptions, 'fetchMetadata'>): Promise<Trust> {
  const fetchMetadata = (name: string) =>
    name === 'timestamp.json' ? options.store.read(name) : Promise.resolve(undefined);
  return refreshTrust({ ...options, fetchMetadata });
}

async function updateTimestamp(session: Session, root: Root): Promise<Timestamp> {
  const stored = await readStored(session, root, 'timestamp');
  // 5.4.1 Download the timestamp metadata file.
  const name = 'timestamp.json';
  const bytes = await fetchRequired(session, name, session.limits.maxTimestampBytes);
  // 5.4.2 Check for an arbitrary software attack.
  const found = await openSigned(session, root, { role: 'timestamp', name, bytes });
  // 5.4.3 Check for a rollback attack. For the same version, the trusted file is kept.
  const isKept = stored?.value.version === found.version;
  if (stored && !isKept) {
    checkNotOlder(`metadata "${name}"`, stored.value.version, found.version);
    checkNotOlder('snapshot metadata', stored.value.snapshot.version, found.snapshot.version);
  }
  const timestamp = stored && isKept ? stored.value : found;
  // 5.4.4 Check for a freeze attack.
  checkNotExpired(timestamp, `metadata "${name}"`, session.updateStart);
  // 5.4.5 Persist.
  if (!isKept) await session.store.write(name, bytes);
  return timestamp;
}

/** Metadata listed by other metadata. */
interface Listed<R extends 'snapshot' | 'targets'> {
  readonly role: R;
  readonly meta: MetaFile;
}

/** Steps 5.5 and 5.6; stored metadata that are still listed are not fetched again. */
async function updateListed<R extends 'snapshot' | 'targets'>(
  session: Session,
  root: Root,
  { role, meta }: Listed<R>,
): Promise<SignedByRole[R]> {
  const stored = await readStored(session, root, role);
  const isKept = stored?.value.version === meta.version && (await isListed(session, stored.bytes, meta));
  const found = stored && isKept ? stored : await fetchListed(session, root, { role, meta });
  if (stored && !isKept) checkNoRollback(role, stored, found);
  // 5.5.6, 5.6.5 Check for a freeze attack.
  checkNotExpired(found.value, `metadata "${role}.json"`, session.updateStart);
  // 5.5.7, 5.6.6 Persist.
  if (!isKept) await session.store.write(`${role}.json`, found.bytes);
  return found.value;
}

async function fetchListed<R extends 'snapshot' | 'targets'>(
  session: Session,
  root: Root,
  { role, meta }: Listed<R>,
): Promise<Stored<SignedByRole[R]>> {
  // 5.5.1, 5.6.1 Download, up to the listed length.
  const name = root.consistentSnapshot ? `${meta.version}.${role}.json` : `${role}.json`;
  const max = maxBytesOf(role, session.limits);
  const bytes = await fetchRequired(session, name, Math.min(meta.length ?? max, max));
  // 5.5.2, 5.6.2 Check against the listed hash.
  if (!(await isListed(session, bytes, meta)))
    throw refuse(
      'metadata-mismatch',
      `Cannot trust metadata "${name}": length or hash does not match the listed file`,
    );
  // 5.5.3, 5.6.3 Check for an arbitrary software attack.
  const value = await openSigned(session, root, { role, name, bytes });
  // 5.5.4, 5.6.4 Check against the listed version.
  if (value.version === meta.version) return { bytes, value };
  const facts = { expected: meta.version, found: value.version };
  const message = `Cannot trust metadata "${name}": expected version ${facts.expected} as listed, got ${facts.found}`;
  throw refuse('metadata-mismatch', message, facts);
}

/** 5.5.5 Check for a rollback attack: no listed file is older or missing. */
function checkNoRollback(
  role: 'snapshot' | 'targets',
  { value: trusted }: Stored<Snapshot | Targets>,
  { value: found }: Stored<Snapshot | Targets>,
): void {
  checkNotOlder(`metadata "${role}.json"`, trusted.version, found.version);
  if (!('meta' in trusted && 'meta' in found)) return;
  for (const [name, { version }] of trusted.meta)
    checkNotOlder(`metadata "${name}"`, version, found.meta.get(name)?.version ?? 0);
}

/**
 * Finds the newest root, starting with the built-in one, then stored roots, then those of the repository (TUF
 * 5.2, 5.3).
 *
 * The whole chain is verified each time, which also detects a damaged store.
 *
 * @throws NeuralDiffError `signature-invalid`, `metadata-rollback`, `metadata-expired`, `metadata-corrupt`,
 *   `limit-exceeded`, `unsupported-version`; any error of store and fetch
 */
async function updateRoot(session: Session, builtIn: Uint8Array): Promise<Root> {
  // 5.2 Load the trusted root metadata.
  let root = await followStored(session, await openBuiltIn(session, builtIn));
  // 5.3.2 to 5.3.9 One version at a time; expiry dates of intermediate roots do not matter (5.3.6).
  for (let count = 0; count < session.limits.maxRootRotations; count++) {
    const name = nextRootName(root);
    const bytes = await fetchFile(session, name, session.limits.maxRootBytes);
    if (bytes === undefined) break;
    const next = await openNext(session, root, bytes);
    await forgetVersions(session, root, next);
    // 5.3.8 Persist.
    await session.store.write(name, bytes);
    root = next;
  }
  // 5.3.10 Check for a freeze attack.
  checkNotExpired(root, `root metadata, version ${root.version},`, session.updateStart);
  return root;
}

/** Opens the built-in root, which is trusted; its own signatures are checked to detect damage. */
async function openBuiltIn(session: Session, bytes: Uint8Array): Promise<Root> {
  const envelope = openEnvelope(session, bytes, 'root of this program');
  const root = parseRoot(envelope.signed, envelope.what);
  await checkSignatures(envelope, root.roles.root, session.ed25519);
  return root;
}

/** Follows the chain of stored roots; a damaged one is removed, to be fetched again. */
async function followStored(session: Session, from: Root): Promise<Root> {
  let root = from;
  for (;;) {
    const name = nextRootName(root);
    const bytes = await session.store.read(name);
    if (bytes === undefined) return root;
    try {
      root = await openNext(session, root, bytes);
    } catch (error) {
      if (!(error instanceof NeuralDiffError)) throw error;
      await session.store.remove(name);
      return root;
    }
  }
}

async function openNext(session: Session, root: Root, bytes: Uint8Array): Promise<Root> {
  const envelope = openEnvelope(session, bytes, `metadata "${nextRootName(root)}"`);
  // 5.3.4 Check for an arbitrary software attack: keys of both versions must have signed.
  await checkSignatures(envelope, root.roles.root, session.ed25519);
  const next = parseRoot(envelope.signed, envelope.what);
  await checkSignatures(envelope, next.roles.root, session.ed25519);
  // 5.3.5 Check for a rollback attack; versions must be consecutive.
  if (next.version === root.version + 1) return next;
  const facts = { expected: root.version + 1, found: next.version };
  const message = `Cannot trust ${envelope.what}: expected version ${facts.expected}, got ${facts.found}`;
  throw refuse('metadata-rollback', message, facts);
}

function openEnvelope({ limits }: Session, bytes: Uint8Array, what: string): Envelope {
  return parseEnvelope(bytes, { what, maxBytes: limits.maxRootBytes });
}

/**
 * 5.3.11 Recover from fast-forward attacks: forget the versions that rotated keys have signed. Done before
 * persisting the root, so that it is not skipped by a crash.
 */
async function forgetVersions({ store }: Session, root: Root, next: Root): Promise<void> {
  const isListRotated = isRotated(root, next, 'snapshot');
  if (!isListRotated && !isRotated(root, next, 'timestamp')) return;
  await store.remove('timestamp.json');
  await store.remove('snapshot.json');
  // Snapshots list the version of targets: with them goes the one that stored targets would be compared with.
  if (isListRotated) await store.remove('targets.json');
}

function nextRootName(root: Root): string {
  return `${root.version + 1}.root.json`;
}
