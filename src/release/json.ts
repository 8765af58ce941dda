import { NeuralDiffError } from '../model/errors.js';
import { corrupt, MAX_JSON_DEPTH } from './limits.js';

/** Bytes from a stranger: what they claim to be, and how many they may be. */
export interface Untrusted {
  /** Names the file in errors: `metadata "timestamp.json"`. */
  readonly what: string;
  readonly maxBytes: number;
}

/**
 * Reads a JSON object: size and nesting are bounded before anything is parsed, numbers are whole and exact, no name is
 * `__proto__`. Of a name that stands twice the last value counts, and it is the one that signatures are checked for.
 *
 * @param bytes UTF-8
 * @throws NeuralDiffError `limit-exceeded` for too many bytes, else `metadata-corrupt`
 */
export function parseJson(bytes: Uint8Array, { what, maxBytes }: Untrusted): JsonObject {
  if (bytes.length > maxBytes) {
    const facts = { limit: maxBytes, got: bytes.length };
    const message = `Cannot read ${what}: expected at most ${maxBytes} bytes, got ${bytes.length}`;
    throw new NeuralDiffError('limit-exceeded', message, { facts });
  }
  if (depthOf(bytes) > MAX_JSON_DEPTH) throw corrupt(what, `it is nested deeper than ${MAX_JSON_DEPTH}`);
  const value = parse(bytes, what);
  checkValue(value, what);
  return new Fields(value, what).object;
}

function parse(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (cause) {
    throw corrupt(what, 'expected JSON in UTF-8', cause);
  }
}

const [QUOTE, BACKSLASH] = [0x22, 0x5c];

/** Counts brackets outside of texts; where the bytes are no JSON, parsing says so. */
function depthOf(bytes: Uint8Array): number {
  let [depth, deepest, isText] = [0, 0, false];
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    if (byte === QUOTE) isText = !isText;
    else if (isText) i += byte === BACKSLASH ? 1 : 0;
    else if (byte === 0x7b || byte === 0x5b) deepest = Math.max(deepest, ++depth);
    else if (byte === 0x7d || byte === 0x5d) depth--;
  }
  return deepest;
}

/** What canonical JSON cannot say cannot be signed either. */
function checkValue(value: unknown, what: string): void {
  if (typeof value === 'number' && !Number.isSafeInteger(value))
    throw corrupt(what, `expected whole numbers up to 2^53, got ${value}`);
  if (typeof value === 'string') checkText(value, what);
  if (typeof value !== 'object' || value === null) return;
  for (const [name, item] of Object.entries(value)) {
    checkText(name, what);
    if (name === '__proto__') throw corrupt(what, 'expected no field "__proto__"');
    checkValue(item, what);
  }
}

function checkText(text: string, what: string): void {
  if (/\p{Surrogate}/u.test(text)) throw corrupt(what, 'expected texts of whole characters');
}

/** The fields of a JSON object from a stranger: each is asked for by name and type. */
export class Fields {
  readonly object: JsonObject;
  readonly #what: string;

  /** @throws NeuralDiffError `metadata-corrupt` unless the value is an object */
  constructor(value: unknown, what: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw corrupt(what, 'expected an object');
    this.object = value as JsonObject;
    this.#what = what;
  }

  /** @returns whether the field is there */
  has(name: string): boolean {
    return Object.hasOwn(this.object, name);
  }

  /** @returns a text that a pattern fits */
  text(name: string, pattern = /^/): string {
    const value = this.#get(name);
    if (typeof value === 'string' && pattern.test(value)) return value;
    throw this.wrong(name, 'a text of another form');
  }

  /** @returns a whole number from `least` to 2^53 - 1 */
  whole(name: string, least: number): number {
    const value = this.#get(name);
    if (typeof value === 'number' && value >= least) return value;
    throw this.wrong(name, `a whole number of at least ${least}`);
  }

  /** @returns true or false */
  flag(name: string): boolean {
    const value = this.#get(name);
    if (typeof value === 'boolean') return value;
    throw this.wrong(name, 'true or false');
  }

  /** @returns an object inside of this one */
  fields(name: string): Fields {
    return new Fields(this.#get(name), `${this.#what}, field "${name}"`);
  }

  /** @returns a list of 0 to `most` items */
  list(name: string, most: number): readonly Json[] {
    const value = this.#get(name);
    if (Array.isArray(value) && value.length <= most) return value;
    throw this.wrong(name, `a list of at most ${most}`);
  }

  /** @returns a list of 0 to `most` different texts that a pattern fits */
  texts(name: string, { pattern, most }: { pattern: RegExp; most: number }): string[] {
    const items = this.list(name, most);
    const texts = items.filter((item): item is string => typeof item === 'string' && pattern.test(item));
    if (texts.length === items.length && new Set(texts).size === texts.length) return texts;
    throw this.wrong(name, 'different texts of another form');
  }

  /** @returns a moment in UTC: `2026-11-21T08:00:00Z` */
  date(name: string): Date {
    const text = this.text(name, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$/);
    const date = new Date(text);
    // A day that no month has becomes one of the next month, or no date at all.
    if (!Number.isNaN(date.getTime()) && date.toISOString().startsWith(text.slice(0, 19))) return date;
    throw this.wrong(name, 'a date');
  }

  /** @returns the error for a field of another type */
  wrong(name: string, expected: string): NeuralDiffError {
    return corrupt(this.#what, `expected ${expected} in field "${name}"`);
  }

  /** Names of this object alone: not `constructor`. */
  #get(name: string): Json | undefined {
    return this.has(name) ? this.object[name] : undefined;
  }
}

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
