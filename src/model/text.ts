const encoder = typeof TextEncoder === 'undefined' ? undefined : new TextEncoder();
const decoder =
  typeof TextDecoder === 'undefined' ? undefined : new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @returns a text in UTF-8; surrogates without their other half become U+FFFD */
export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  return encoder ? encoder.encode(text) : encodePlainly(text);
}

/**
 * Reads UTF-8. A byte order mark stays.
 *
 * @throws TypeError or URIError for bytes that are no UTF-8
 */
export function decodeUtf8(bytes: Uint8Array): string {
  return decoder ? decoder.decode(bytes) : decodePlainly(bytes);
}

/** @returns the decoded text; undefined for bytes that are no UTF-8 */
export function tryDecodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return decodeUtf8(bytes);
  } catch {
    return undefined;
  }
}

/** For engines without `TextEncoder`, such as QuickJS. */
export function encodePlainly(text: string): Uint8Array<ArrayBuffer> {
  const escaped = encodeURIComponent(text.replace(/[\ud800-\udfff]/gu, '\ufffd'));
  const letters = escaped.replace(/%(..)/g, (_, digits) => String.fromCharCode(Number.parseInt(digits, 16)));
  return Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
}

/** For engines without `TextDecoder`. @throws URIError */
export function decodePlainly(bytes: Uint8Array): string {
  const escaped = Array.from(bytes, (byte) => `%${byte.toString(16).padStart(2, '0')}`);
  return decodeURIComponent(escaped.join(''));
}

/** @returns a text of one character a byte, as in file formats whose words are ASCII */
export function decodeLatin1(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
}
