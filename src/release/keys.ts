import { fromHex, hex } from '../model/bytes.js';
import { type Sha256, sha256 } from '../model/fingerprint.js';
import { PUBLIC_KEY_BYTES } from './ed25519.js';
import { canonicalJson, Fields, type Json } from './json.js';

/** A public key as TUF metadata carry it. */
export interface ReleaseKey {
  readonly keytype: 'ed25519';
  readonly scheme: 'ed25519';
  readonly keyval: {
    /** 64 hexadecimal digits. */
    readonly public: string;
  };
}

/** Lower-case hexadecimal digits of SHA-256, or of a public key. */
export const HEX_32 = /^[0-9a-f]{64}$/;

/**
 * @param publicKey 32 bytes, or 64 lower-case hexadecimal digits
 * @returns the key as TUF metadata carry it
 * @throws RangeError for another length
 */
export function releaseKey(publicKey: Uint8Array | string): ReleaseKey {
  const digits = typeof publicKey === 'string' ? publicKey : hex(publicKey);
  if (!HEX_32.test(digits))
    throw new RangeError(`Expected a public key of ${PUBLIC_KEY_BYTES} bytes, got "${digits}"`);
  return { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: digits } };
}

/** @returns the name of a key in signatures: SHA-256 of its canonical JSON, in hexadecimal digits */
export async function keyIdOf(key: ReleaseKey, hash: Sha256 = sha256): Promise<string> {
  return hex(await hash(canonicalJson(key as unknown as Json)));
}

/**
 * Reads a public key.
 *
 * @param value a JSON value
 * @param what names it in errors
 * @returns the key; undefined for a well-formed key of a kind that is not verified here
 * @throws NeuralDiffError `metadata-corrupt`
 */
export function parseKey(value: unknown, what: string): ReleaseKey | undefined {
  const fields = new Fields(value, what);
  const [type, scheme] = [fields.text('keytype'), fields.text('scheme')];
  const values = fields.fields('keyval');
  if (type !== 'ed25519' || scheme !== 'ed25519') return undefined;
  return releaseKey(values.text('public', HEX_32));
}

/** @returns the 32 bytes of a key */
export function keyBytes(key: ReleaseKey): Uint8Array {
  return fromHex(key.keyval.public);
}
