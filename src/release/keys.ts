import { fromHex, hex } from '../model/bytes.js';
import { type Sha256, sha256 } from '../model/fingerprint.js';
import { ECDSA_SCHEME, pointOfPem } from './ecdsa.js';
import { isUsableKey, PUBLIC_KEY_BYTES } from './ed25519.js';
import { canonicalJson, Fields, type Json } from './json.js';
import { refuse } from './limits.js';

/** A public key in the form of TUF metadata. Devices verify both types, makers sign with Ed25519. */
export interface ReleaseKey {
  readonly keytype: 'ed25519' | 'ecdsa';
  readonly scheme: 'ed25519' | typeof ECDSA_SCHEME;
  readonly keyval: {
    /** Ed25519: 64 hexadecimal digits. ECDSA: SubjectPublicKeyInfo of P-256 in PEM, with line feeds. */
    readonly public: string;
  };
}

/** Pattern of 32 bytes in lower-case hexadecimal digits: SHA-256 or a public key. */
export const HEX_32 = /^[0-9a-f]{64}$/;

/**
 * Converts a public key to the form of TUF metadata.
 *
 * @param publicKey 32 bytes, or 64 lower-case hexadecimal digits
 * @throws NeuralDiffError `key-invalid` for bytes that are no point of the curve, not in canonical form, or
 *   of small order
 * @throws RangeError for another length
 */
export function releaseKey(publicKey: Uint8Array | string): ReleaseKey {
  const digits = typeof publicKey === 'string' ? publicKey : hex(publicKey);
  if (!HEX_32.test(digits))
    throw new RangeError(`Expected a public key of ${PUBLIC_KEY_BYTES} bytes, got "${digits}"`);
  if (!isUsableKey(fromHex(digits))) {
    const expected = 'expected a point of Ed25519 in canonical form that is not of small order';
    throw refuse('key-invalid', `Cannot use public key ${digits}: ${expected}`);
  }
  return { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: digits } };
}

/** @returns the key ID: SHA-256 of the key's canonical JSON, in hexadecimal digits */
export async function keyIdOf(key: ReleaseKey, hash: Sha256 = sha256): Promise<string> {
  return hex(await hash(canonicalJson(key as unknown as Json)));
}

/**
 * Parses a public key.
 *
 * @param value a JSON value
 * @param what description of the key for errors
 * @returns the key; undefined for a well-formed key of an unsupported type
 * @throws NeuralDiffError `metadata-corrupt`, `key-invalid`
 */
export function parseKey(value: unknown, what: string): ReleaseKey | undefined {
  const fields = new Fields(value, what);
  const [type, scheme] = [fields.text('keytype'), fields.text('scheme')];
  const values = fields.fields('keyval');
  if (type === 'ecdsa' && scheme === ECDSA_SCHEME) {
    const pem = values.text('public');
    if (pointOfPem(pem) === undefined) throw values.wrong('public', 'a P-256 key in PEM');
    return { keytype: type, scheme, keyval: { public: pem } };
  }
  if (type !== 'ed25519' || scheme !== 'ed25519') return undefined;
  return releaseKey(values.text('public', HEX_32));
}

/**
 * @returns the bytes that identify a key: 32 of Ed25519, or the 65 of a point of P-256
 * @throws NeuralDiffError `key-invalid`
 * @throws RangeError for a key of another length or form
 */
export function keyBytes({ keytype, keyval }: ReleaseKey): Uint8Array {
  if (keytype === 'ed25519') return fromHex(releaseKey(keyval.public).keyval.public);
  const point = pointOfPem(keyval.public);
  if (point === undefined) throw new RangeError(`Expected a P-256 key in PEM, got "${keyval.public}"`);
  return point;
}
