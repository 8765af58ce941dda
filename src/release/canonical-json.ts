/** Any JSON value that metadata may hold. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

/** A JSON object. */
export interface JsonObject {
  readonly [name: string]: Json;
}

const encoder = new TextEncoder();

/**
 * Encodes a value in the one form that is signed: OLPC canonical JSON as the TUF reference implementations write it. No
 * spaces, names sorted by code points, only `"` and `\` escaped, whole numbers alone. tuf-js sorts by UTF-16 units, which is
 * the same unless one object mixes names beyond U+FFFF with names from U+E000 on.
 *
 * @param value nested no deeper than the stack allows; what `parseJson` returns is
 * @returns UTF-8
 * @throws TypeError for fractions, numbers beyond 2^53, lone surrogates and what is no JSON
 */
export function canonicalJson(value: Json): Uint8Array<ArrayBuffer> {
  return encoder.encode(encode(value));
}

function encode(value: Json): string {
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
  if (Array.isArray(value)) return `[${value.map(encode).join()}]`;
  if (typeof value !== 'object') throw new TypeError(`Cannot encode ${String(value)} as canonical JSON`);
  const object = value as JsonObject;
  const members = Object.keys(object)
    .sort(compareCodePoints)
    .map((name) => `${quote(name)}:${encode(object[name] as Json)}`);
  return `{${members.join()}}`;
}

function quote(text: string): string {
  if (/\p{Surrogate}/u.test(text)) throw new TypeError('Cannot encode a lone surrogate as canonical JSON');
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
}

/** Code points have the order of their UTF-8 bytes; UTF-16 units have not. */
function compareCodePoints(a: string, b: string): number {
  let i = 0;
  while (i < a.length && a[i] === b[i]) i++;
  return rank(a.charCodeAt(i)) - rank(b.charCodeAt(i));
}

/** Moves surrogates behind all other units; the end of a text comes first. */
function rank(unit: number): number {
  if (Number.isNaN(unit)) return -1;
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit;
}
