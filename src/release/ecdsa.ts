import { equalBytes, fromBase64, fromHex } from '../model/bytes.js';

/** The supported ECDSA scheme of TUF: the curve P-256 and SHA-256 (FIPS 186-5). */
export const ECDSA_SCHEME = 'ecdsa-sha2-nistp256';

/** Bytes of a point of P-256: 4, x and y (SEC 1, 2.3.3). */
const POINT_BYTES = 65;

/** Bytes of a coordinate and of a signature's numbers. */
const NUMBER_BYTES = 32;

/** A P-256 key as SubjectPublicKeyInfo (RFC 5480) is these bytes and an uncompressed point. */
const SPKI_HEAD = fromHex('3059301306072a8648ce3d020106082a8648ce3d030107034200');

/** PEM (RFC 7468) of that many bytes in base64, which ends with `==`. */
const PEM = /^-----BEGIN PUBLIC KEY-----\n([A-Za-z0-9+/\n]{122,244}==)\n-----END PUBLIC KEY-----\n?$/;
const PEM_DIGITS = 4 * Math.ceil((SPKI_HEAD.length + POINT_BYTES) / 3);

/**
 * Parses a public key.
 *
 * @param pem SubjectPublicKeyInfo in PEM, with line feeds
 * @returns the uncompressed point, 65 bytes; undefined for any other content
 */
export function pointOfPem(pem: string): Uint8Array | undefined {
  const digits = PEM.exec(pem)?.[1]?.replaceAll('\n', '');
  if (digits?.length !== PEM_DIGITS) return undefined;
  const spki = fromBase64(digits);
  const point = spki.subarray(SPKI_HEAD.length);
  return equalBytes(spki.subarray(0, SPKI_HEAD.length), SPKI_HEAD) && point[0] === 4 ? point : undefined;
}

/** A message, the claimed signer's key and the signature. */
interface Signed {
  /** Uncompressed point, 65 bytes. */
  readonly publicKey: Uint8Array;
  /** DER of the numbers r and s (RFC 3279, 2.2.3), or both as 64 bytes. */
  readonly signature: Uint8Array;
  readonly message: Uint8Array;
}

/**
 * Verifies an ECDSA signature on P-256 with SHA-256, by WebCrypto, or by `@noble/curves` where there is none.
 *
 * @returns whether the signature is valid; false for a key or signature of another form
 */
export async function verifyEcdsa({ publicKey, signature, message }: Signed): Promise<boolean> {
  const raw = rawSignature(signature);
  if (raw === undefined || publicKey.length !== POINT_BYTES) return false;
  const signed = { publicKey, signature: raw, message };
  if (globalThis.crypto?.subtle) return verifyByWebCrypto(signed);
  return (await import('./noble-ecdsa.js')).verifyByNoble(signed);
}

async function verifyByWebCrypto({ publicKey, signature, message }: Signed): Promise<boolean> {
  const [point, raw, data] = [publicKey, signature, message] as Uint8Array<ArrayBuffer>[];
  const curve = { name: 'ECDSA', namedCurve: 'P-256' };
  // Import fails for a point that is not on the curve.
  const key = await crypto.subtle.importKey('raw', point!, curve, false, ['verify']).catch(() => undefined);
  if (key === undefined) return false;
  return crypto.subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, key, raw!, data!);
}

/** @returns r and s as 64 bytes, the form of WebCrypto; undefined unless `der` is their DER */
function rawSignature(der: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  if (der[0] !== 0x30 || der[1] !== der.length - 2) return undefined;
  const r = numberAt(der, 2);
  const s = r && numberAt(der, r.end);
  if (!r || s?.end !== der.length) return undefined;
  const raw = new Uint8Array(2 * NUMBER_BYTES);
  raw.set(r.bytes, NUMBER_BYTES - r.bytes.length);
  raw.set(s.bytes, 2 * NUMBER_BYTES - s.bytes.length);
  return raw;
}

/** Reads a positive INTEGER of DER, which has no more bytes than it needs. */
function numberAt(der: Uint8Array, at: number): { bytes: Uint8Array; end: number } | undefined {
  const [tag = 0, length = 0, first = 0, second = 0] = der.subarray(at);
  const end = at + 2 + length;
  if (tag !== 2 || length === 0 || end > der.length || first > 0x7f) return undefined;
  if (first === 0 && second < 0x80) return undefined;
  const bytes = der.subarray(first === 0 ? at + 3 : at + 2, end);
  return bytes.length <= NUMBER_BYTES ? { bytes, end } : undefined;
}
