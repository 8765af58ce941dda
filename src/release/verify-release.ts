import { equalBytes } from '../model/bytes.js';
import type { VerifyEd25519 } from './ed25519.js';
import { checkSignatures, parseEnvelope } from './envelope.js';
import { canonicalJson } from './json.js';
import { keyIdOf, type ReleaseKey } from './keys.js';
import { corrupt, MAX_KEYS, MAX_RELEASE_BYTES, refuse } from './limits.js';
import { parseStatement, type ReleaseStatement } from './statement.js';

/** Whom a device trusts with releases, and what time it is. */
export interface VerifyReleaseOptions {
  /** Keys of which `threshold` must have signed. */
  readonly keys: readonly ReleaseKey[];
  /** Different keys that must have signed; 1 unless given. */
  readonly threshold?: number;
  readonly now: () => Date;
  /** Verifies signatures; WebCrypto with `@noble/ed25519` behind it unless given. */
  readonly ed25519?: VerifyEd25519;
  /** SHA-256; the runtime's own unless given. */
  readonly sha256?: (bytes: Uint8Array) => Promise<Uint8Array>;
}

/**
 * Verifies a release in a file of its own, `<payload>.release.json`: the envelope first, the statement only when enough keys
 * signed it. The file must be canonical JSON to the last byte, so that no byte of it can be changed unseen.
 *
 * @param bytes the file
 * @returns what was signed
 * @throws NeuralDiffError `signature-invalid`, `metadata-expired`, `metadata-corrupt`, `limit-exceeded`, `unsupported-version`
 * @throws RangeError for a threshold that the keys cannot meet
 */
export async function verifyRelease(
  bytes: Uint8Array,
  { keys, threshold = 1, now, ed25519, sha256 }: VerifyReleaseOptions,
): Promise<ReleaseStatement> {
  if (!(Number.isInteger(threshold) && threshold >= 1 && threshold <= keys.length && keys.length <= MAX_KEYS))
    throw new RangeError(`Expected a threshold from 1 to ${keys.length} keys, got ${threshold}`);
  const envelope = parseEnvelope(bytes, { what: 'release', maxBytes: MAX_RELEASE_BYTES });
  if (!equalBytes(canonicalJson(envelope.file), bytes)) throw corrupt('release', 'expected canonical JSON');
  const named = await Promise.all(keys.map(async (key) => [await keyIdOf(key, sha256), key] as const));
  await checkSignatures(envelope, { keys: new Map(named), threshold }, ed25519);
  const statement = parseStatement(envelope.signed, 'release');
  checkNotExpired(statement, `release "${statement.name}"`, now());
  return statement;
}

/** @throws NeuralDiffError `metadata-expired` unless the date lies ahead */
export function checkNotExpired({ expires }: { readonly expires: Date }, what: string, now: Date): void {
  if (expires.getTime() > now.getTime()) return;
  const facts = { expires: expires.toISOString(), now: now.toISOString() };
  throw refuse(
    'metadata-expired',
    `Cannot trust ${what}: it expired on ${facts.expires}, it is ${facts.now}`,
    facts,
  );
}
