import { constants, createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { canonicalJson, type JsonObject } from '../../../src/release/json.js';

/** A key pair of a simulated repository, by Node's own crypto. */
export interface Signer {
  readonly keyid: string;
  /** The public key in the form of TUF metadata. */
  readonly key: JsonObject;
  /** @returns the signature in hexadecimal digits */
  sign(message: Uint8Array): string;
}

/** The key types and schemes of the TUF specification, as `keytype/scheme`. */
export const KEY_TYPES = [
  'rsa/rsassa-pss-sha256',
  'rsa/rsa-pkcs1v15-sha256',
  'ecdsa/ecdsa-sha2-nistp256',
  'ed25519/ed25519',
] as const;

export type KeyType = (typeof KEY_TYPES)[number];

/** @returns a new key, by default of the type that the suite uses most; `more` is added to its fields */
export function newSigner(type: KeyType = 'ecdsa/ecdsa-sha2-nistp256', more: JsonObject = {}): Signer {
  const [keytype, scheme] = type.split('/') as [string, string];
  const { publicKey, privateKey } = pairOf(keytype);
  const key = { keytype, scheme, keyval: { public: publicOf(publicKey) }, ...more };
  return {
    keyid: createHash('sha256').update(canonicalJson(key)).digest('hex'),
    key,
    sign: (message) => signatureOf(scheme, message, privateKey).toString('hex'),
  };
}

function pairOf(keytype: string): { publicKey: KeyObject; privateKey: KeyObject } {
  if (keytype === 'rsa') return generateKeyPairSync('rsa', { modulusLength: 2048 });
  return keytype === 'ecdsa'
    ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
    : generateKeyPairSync('ed25519');
}

function publicOf(key: KeyObject): string {
  if (key.asymmetricKeyType !== 'ed25519') return String(key.export({ type: 'spki', format: 'pem' }));
  return key.export({ type: 'spki', format: 'der' }).subarray(-32).toString('hex');
}

function signatureOf(scheme: string, message: Uint8Array, key: KeyObject): Buffer {
  if (scheme === 'ed25519') return sign(null, message, key);
  if (scheme !== 'rsassa-pss-sha256') return sign('sha256', message, key);
  return sign('sha256', message, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 });
}
