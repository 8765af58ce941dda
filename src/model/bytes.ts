/** @returns bytes as lower-case hexadecimal digits */
export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** @returns the bytes that pairs of hexadecimal digits encode */
export function fromHex(digits: string): Uint8Array {
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) =>
    Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16),
  );
}

/** @returns whether two byte arrays hold the same bytes */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** @returns the concatenated parts, as a new array */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/**
 * Decodes base64 (RFC 4648). Not every engine has `atob`.
 *
 * @throws RangeError for other characters than its digits, and `=` at the end
 */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const digits = text.replace(/={0,2}$/, '');
  const bytes = new Uint8Array(Math.floor((3 * digits.length) / 4));
  let bits = 0;
  for (let at = 0; at < digits.length; at++) {
    const digit = BASE64.indexOf(digits[at] as string);
    if (digit < 0) throw new RangeError(`Cannot decode base64: expected a digit, got "${digits[at]}"`);
    bits = ((bits << 6) | digit) & 0xffff;
    // Each digit but the first of four ends a byte.
    const extra = (6 * (at + 1)) % 8;
    if (at % 4 > 0) bytes[Math.floor((6 * (at + 1)) / 8) - 1] = bits >> extra;
  }
  return bytes;
}

/** Bytes of a random ID. */
const ID_BYTES = 16;

/** @returns an ID that nothing else has; it is no secret, as engines without WebCrypto make it another way */
export function randomId(): string {
  const bytes = new Uint8Array(ID_BYTES);
  return hex(
    globalThis.crypto ? crypto.getRandomValues(bytes) : bytes.map(() => Math.floor(256 * Math.random())),
  );
}
