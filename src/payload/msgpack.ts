import { isCleanText } from '../model/tensor.js';
import { decodeUtf8 } from '../model/text.js';
import { corrupt } from './limits.js';

/** A value of a header; maps keep their order. */
export type Value = number | string | Uint8Array | Value[] | Map<string, Value>;

/** A value and the offset of the first byte after it. */
interface Read<T> {
  readonly value: T;
  readonly end: number;
}

/** Values nested deeper are in no header; ends the recursion. */
const MAX_DEPTH = 4;

/**
 * Reads one msgpack value of the subset that payloads use.
 *
 * Accepts unsigned integers up to 32 bits, strings, `bin`, lists, and maps with string keys, each in its
 * shortest form. Allocates nothing based on a claimed length; byte arrays are views of `bytes`.
 *
 * @param bytes the payload
 * @param start offset of the value
 * @param depth nesting depth of the value
 * @throws NeuralDiffError `corrupt-payload`
 */
export function borrowValue(bytes: Uint8Array, start: number, depth = 0): Read<Value> {
  const first = bytes[start];
  if (first === undefined || depth > MAX_DEPTH)
    throw corrupt(`truncated or nested too deeply at byte ${start}`);
  const body = start + 1;
  if (first < 0x80) return { value: first, end: body };
  if (first < 0x90) return readMap(bytes, { count: first & 15, at: body, depth });
  if (first < 0xa0) return readList(bytes, { count: first & 15, at: body, depth });
  if (first < 0xc0) return readText(bytes, body, first & 31);
  if (isBin(first)) {
    const { value, end } = readBinHead(bytes, start);
    return readBytes(bytes, end, value);
  }
  if (first >= 0xcc && first <= 0xce)
    return readUint(bytes, { at: body, width: 1 << (first - 0xcc), from: 0xcc });
  if (first === 0xd9 || first === 0xda) {
    const { value, end } = readUint(bytes, { at: body, width: first - 0xd8, from: 0xd9 });
    return readText(bytes, end, value);
  }
  if (first === 0xdc || first === 0xde) {
    const { value, end } = readUint(bytes, { at: body, width: 2, from: 0xdc });
    return (first === 0xde ? readMap : readList)(bytes, { count: value, at: end, depth });
  }
  throw corrupt(`unexpected type byte 0x${first.toString(16)} at byte ${start}`);
}

function isBin(first: number): boolean {
  return first >= 0xc4 && first <= 0xc6;
}

/** Bytes of the longest head of a `bin`. */
export const MAX_BIN_HEAD_BYTES = 5;

/**
 * Reads the head of a `bin`.
 *
 * @returns the content's length (`value`) and its offset (`end`)
 * @throws NeuralDiffError `corrupt-payload` for another type
 */
export function readBinHead(bytes: Uint8Array, start: number): Read<number> {
  const first = bytes[start] ?? 0;
  if (!isBin(first)) throw corrupt(`expected binary data at byte ${start}`);
  return readUint(bytes, { at: start + 1, width: 1 << (first - 0xc4), from: 0xc4 });
}

/**
 * Smallest number that needs a size field of 1, 2 and 4 bytes, by the first type byte of the family.
 */
const MIN_VALUES: Readonly<Record<number, readonly [number, number, number]>> = {
  196: [0, 2 ** 8, 2 ** 16],
  204: [2 ** 7, 2 ** 8, 2 ** 16],
  217: [32, 2 ** 8, 2 ** 16],
  220: [16, 16, 16],
};

function readUint(bytes: Uint8Array, field: { at: number; width: number; from: number }): Read<number> {
  const { at, width, from } = field;
  let value = 0;
  for (const byte of readBytes(bytes, at, width).value) value = value * 256 + byte;
  if (value < (MIN_VALUES[from]?.[width >>> 1] as number))
    throw corrupt(`expected the shortest form at byte ${at - 1}`);
  return { value, end: at + width };
}

function readBytes(bytes: Uint8Array, at: number, length: number): Read<Uint8Array> {
  const end = at + length;
  if (end > bytes.length) throw corrupt(`the value at byte ${at} is truncated`);
  return { value: bytes.subarray(at, end), end };
}

function readText(bytes: Uint8Array, at: number, length: number): Read<string> {
  const { value, end } = readBytes(bytes, at, length);
  let text: string;
  try {
    text = decodeUtf8(value);
  } catch (cause) {
    throw corrupt(`the text at byte ${at} is not UTF-8`, cause);
  }
  if (!isCleanText(text)) throw corrupt(`the text at byte ${at} contains U+FEFF`);
  return { value: text, end };
}

interface Container {
  /** Claimed number of values or key-value pairs. */
  readonly count: number;
  readonly at: number;
  readonly depth: number;
}

function readList(bytes: Uint8Array, { count, at, depth }: Container): Read<Value[]> {
  const list: Value[] = [];
  let end = at;
  for (let i = 0; i < count; i++) {
    const item = borrowValue(bytes, end, depth + 1);
    list.push(item.value);
    end = item.end;
  }
  return { value: list, end };
}

function readMap(bytes: Uint8Array, { count, at, depth }: Container): Read<Map<string, Value>> {
  const map = new Map<string, Value>();
  let end = at;
  for (let i = 0; i < count; i++) {
    const key = borrowValue(bytes, end, depth + 1);
    if (typeof key.value !== 'string' || map.has(key.value))
      throw corrupt(`expected a unique string key at byte ${end}`);
    const item = borrowValue(bytes, key.end, depth + 1);
    map.set(key.value, item.value);
    end = item.end;
  }
  return { value: map, end };
}
