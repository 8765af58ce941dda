import { NeuralDiffError } from '../model/errors.js';
import { decodeUtf8, encodeUtf8 } from '../model/text.js';
import { corrupt, MAX_JSON_DEPTH, refuse } from './limits.js';

/** Description and size limit of untrusted bytes. */
export interface Untrusted {
  /** Description for errors, for example `metadata "timestamp.json"`. */
  readonly what: string;
  readonly maxBytes: number;
}

/**
 * Parses an untrusted JSON object.
 *
 * Size and nesting are checked before parsing; numbers must be safe integers, `__proto__` is not allowed. Of
 * a duplicate name the last value is used, also for checking signatures.
 *
 * @param bytes UTF-8
 * @throws NeuralDiffError `limit-exceeded` for too many bytes, otherwise `metadata-corrupt`
 */
export function parseJson(bytes: Uint8Array, { what, maxBytes }: Untrusted): JsonObject {
  if (bytes.length > maxBytes) {
    const facts = { limit: maxBytes, got: bytes.length };
    const message = `Cannot read ${what}: expected at most ${maxBytes} bytes, got ${bytes.length}`;
    throw new NeuralDiffError('limit-exceeded', message, { facts });
  }
  if (depthOf(bytes) > MAX_JSON_DEPTH) throw corrupt(what, `nested deeper than ${MAX_JSON_DEPTH}`);
  const value = parse(bytes, what);
  checkValue(value, what);
  return new Fields(value, what).object;
}

function parse(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(decodeUtf8(bytes));
  } catch (cause) {
    throw corrupt(what, 'expected JSON in UTF-8', cause);
  }
}

const [QUOTE, BACKSLASH] = [0x22, 0x5c];

/** @returns the depth of brackets outside strings; invalid JSON is detected by parsing */
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

/** Checks that a value can be encoded as canonical JSON. */
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
  if (/\p{Surrogate}/u.test(text)) throw corrupt(what, 'expected strings without lone surrogates');
}

/** Reads the fields of an untrusted JSON object by name and type. */
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

  /** @returns whether the field exists */
  has(name: string): boolean {
    return Object.hasOwn(this.object, name);
  }

  /** @returns a string that matches a pattern */
  text(name: string, pattern = /^/): string {
    const value = this.#get(name);
    if (typeof value === 'string' && pattern.test(value)) return value;
    throw this.wrong(name, 'a string of another form');
  }

  /** @returns a whole number from `min` to 2^53 - 1 */
  whole(name: string, min: number): number {
    const value = this.#get(name);
    if (Number.isSafeInteger(value) && (value as number) >= min) return value as number;
    throw this.wrong(name, `a whole number of at least ${min}`);
  }

  /** @returns true or false */
  flag(name: string): boolean {
    const value = this.#get(name);
    if (typeof value === 'boolean') return value;
    throw this.wrong(name, 'true or false');
  }

  /** @returns the fields of a nested object */
  fields(name: string): Fields {
    return new Fields(this.#get(name), `${this.#what}, field "${name}"`);
  }

  /** @returns a list of at most `max` items */
  list(name: string, max: number): readonly Json[] {
    const value = this.#get(name);
    if (Array.isArray(value) && value.length <= max) return value;
    throw this.wrong(name, `a list of at most ${max}`);
  }

  /** @returns a list of at most `max` distinct strings that match a pattern */
  texts(name: string, { pattern, max }: { pattern: RegExp; max: number }): string[] {
    const items = this.list(name, max);
    const texts = items.filter((item): item is string => typeof item === 'string' && pattern.test(item));
    if (texts.length === items.length && new Set(texts).size === texts.length) return texts;
    throw this.wrong(name, 'distinct strings of another form');
  }

  /** @returns a date in UTC, for example `2026-11-21T08:00:00Z` */
  date(name: string): Date {
    const text = this.text(name, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$/);
    const date = new Date(text);
    // `Date` moves an invalid day to the next month, or returns an invalid date.
    if (!Number.isNaN(date.getTime()) && date.toISOString().startsWith(text.slice(0, 19))) return date;
    throw this.wrong(name, 'a date');
  }

  /**
   * Checks the fields `_type` and `version`. @throws NeuralDiffError `metadata-corrupt`,
   * `unsupported-version`
   */
  checkType(type: string, version: number): void {
    if (this.text('_type') !== type) throw this.wrong('_type', `"${type}"`);
    const found = this.whole('version', 1);
    if (found === version) return;
    const message = `Cannot read ${this.#what}: expected version ${version}, got ${found}`;
    throw refuse('unsupported-version', message, { version: found });
  }

  /** @returns the error for a field of another type */
  wrong(name: string, expected: string): NeuralDiffError {
    return corrupt(this.#what, `expected ${expected} in field "${name}"`);
  }

  /** Reads own properties only, not `constructor` for example. */
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

/**
 * Encodes a value as OLPC canonical JSON, as the TUF reference implementations do.
 *
 * No spaces, names sorted by code points, only `"` and `\` escaped, whole numbers only. tuf-js sorts by
 * UTF-16 units, which is the same unless one object has both names above U+FFFF and names from U+E000 on.
 *
 * @param value a value whose nesting fits the stack, such as a result of `parseJson`
 * @returns UTF-8
 * @throws TypeError for fractions, numbers beyond 2^53, lone surrogates and values that are not JSON
 */
export function canonicalJson(value: Json): Uint8Array<ArrayBuffer> {
  return encodeUtf8(encode(value));
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

/** Compares strings by code points. */
function compareCodePoints(a: string, b: string): number {
  let i = 0;
  while (i < a.length && a[i] === b[i]) i++;
  return rank(a.charCodeAt(i)) - rank(b.charCodeAt(i));
}

/** Orders surrogates after all other units, and the end of a string first. */
function rank(unit: number): number {
  if (Number.isNaN(unit)) return -1;
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit;
}
