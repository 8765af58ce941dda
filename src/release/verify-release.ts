import { equalBytes } from '../model/bytes.js';
import type { VerifyEd25519 } from './ed25519.js';
import { checkSignatures, parseEnvelope } from './envelope.js';
import { canonicalJson } from './json.js';
import { keyBytes, keyIdOf, type ReleaseKey } from './keys.js';
import { corrupt, MAX_KEYS, MAX_RELEASE_BYTES, refuse } from './limits.js';
import { parseStatement, type ReleaseStatement } from './statement.js';

/** Trusted keys and dependencies of `verifyRelease`. */
export interface VerifyReleaseOptions {
  /** Trusted keys, of which `threshold` must have signed. */
  readonly keys: readonly ReleaseKey[];
  /** Number of distinct keys that must have signed; defaults to 1. */
  readonly threshold?: number;
  readonly now: () => Date;
  /** Verifies Ed25519 signatures; defaults to WebCrypto with `@noble/ed25519` as fallback. */
  readonly ed25519?: VerifyEd25519;
  /** SHA-256 implementation; defaults to the runtime's. */
  readonly sha256?: (bytes: Uint8Array) => Promise<Uint8Array>;
}

/**
 * Verifies a detached release file, `<payload>.release.json`.
 *
 * The statement is parsed only after enough signatures were verified. The file must be canonical JSON, so
 * that every changed byte is detected.
 *
 * @param bytes the file
 * @returns the signed statement
 * @throws NeuralDiffError `signature-invalid`, `metadata-expired`, `metadata-corrupt`, `limit-exceeded`,
 *   `unsupported-version`, `key-invalid`
 * @throws RangeError for a threshold that the keys cannot meet
 *
 * @example
 * const { publicKey } = JSON.parse(readFileSync('keys/targets.json', 'utf8'));
 * const statement = await verifyRelease(readFileSync('v2.ndiff.release.json'), {
 *   keys: [publicKey],
 *   now: () => new Date(),
 * });
 * console.log(statement.base, statement.next);
 */
export async function verifyRelease(
  bytes: Uint8Array,
  { keys, threshold = 1, now, ed25519, sha256 }: VerifyReleaseOptions,
): Promise<ReleaseStatement> {
  if (!(Number.isInteger(threshold) && threshold >= 1 && threshold <= keys.length && keys.length <= MAX_KEYS))
    throw new RangeError(`Expected a threshold from 1 to ${keys.length} keys, got ${threshold}`);
  for (const key of keys) keyBytes(key);
  const envelope = parseEnvelope(bytes, { what: 'release', maxBytes: MAX_RELEASE_BYTES });
  if (!equalBytes(canonicalJson(envelope.file), bytes)) throw corrupt('release', 'expected canonical JSON');
  const named = await Promise.all(keys.map(async (key) => [await keyIdOf(key, sha256), key] as const));
  await checkSignatures(envelope, { keys: new Map(named), threshold }, ed25519);
  const statement = parseStatement(envelope.signed, 'release');
  checkNotExpired(statement, `release "${statement.name}"`, now());
  return statement;
}

/** @throws NeuralDiffError `metadata-expired` unless the date is in the future */
export function checkNotExpired({ expires }: { readonly expires: Date }, what: string, now: Date): void {
  if (expires.getTime() > now.getTime()) return;
  const facts = { expires: expires.toISOString(), now: now.toISOString() };
  const message = `Cannot trust ${what}: it expired on ${facts.expires}, the time is ${facts.now}`;
  throw refuse('metadata-expired', message, facts);
}
