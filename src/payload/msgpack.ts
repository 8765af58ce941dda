import { Unpackr } from 'msgpackr/unpack';
import { corrupt } from './corrupt.js';

/** Deepest nesting that a payload needs: map, list, list, value. */
const MAX_DEPTH = 4;

/** Values after a container's head, or bytes after the head of a text or `bin`. */
interface Head {
  /** Offset of the first byte after the head. */
  readonly body: number;
  /** Bytes of a text or `bin`; 0 for other types. */
  readonly length: number;
  /** Values inside a list or a map. */
  readonly children: number;
  readonly isText: boolean;
}

/** First byte, bytes of the size field, least size that needs it. */
const SIZED = new Map<number, { field: number; least: number; type: 'text' | 'bin' | 'list' | 'map' }>([
  [0xd9, { field: 1, least: 32, type: 'text' }],
  [0xda, { field: 2, least: 2 ** 8, type: 'text' }],
  [0xc4, { field: 1, least: 0, type: 'bin' }],
  [0xc5, { field: 2, least: 2 ** 8, type: 'bin' }],
  [0xc6, { field: 4, least: 2 ** 16, type: 'bin' }],
  [0xdc, { field: 2, least: 16, type: 'list' }],
  [0xdd, { field: 4, least: 2 ** 16, type: 'list' }],
  [0xde, { field: 2, least: 16, type: 'map' }],
]);

/** First byte, bytes of the value, least value that needs them. */
const UINTS = new Map<number, { field: number; least: number }>([
  [0xcc, { field: 1, least: 2 ** 7 }],
  [0xcd, { field: 2, least: 2 ** 8 }],
  [0xce, { field: 4, least: 2 ** 16 }],
]);

/**
 * Finds where a msgpack value ends, accepting only what this format writes: unsigned integers up to 32 bits, texts,
 * `bin`, lists and maps, each in its shortest form. Nothing is allocated on a length that the bytes claim.
 *
 * @param bytes the payload
 * @param start offset of the value
 * @returns offset of the first byte after the value
 * @throws NeuralDiffError `corrupt-payload`
 */
export function endOfValue(bytes: Uint8Array, start: number): number {
  const open: number[] = [1];
  let at = start;
  while (open.length > 0) {
    const last = open.length - 1;
    if (open[last] === 0) {
      open.pop();
      continue;
    }
    open[last] = (open[last] as number) - 1;
    const head = readHead(bytes, at);
    at = head.body + head.length;
    if (at > bytes.length || head.children > bytes.length - at)
      throw corrupt(`the value at byte ${start} is cut off`);
    if (head.isText) checkText(bytes.subarray(head.body, at));
    if (head.children > 0) open.push(head.children);
    if (open.length > MAX_DEPTH + 1)
      throw corrupt(`expected at most ${MAX_DEPTH} levels of nesting at byte ${at}`);
  }
  return at;
}

function readHead(bytes: Uint8Array, at: number): Head {
  const first = bytes[at];
  if (first === undefined) throw corrupt(`expected a value at byte ${at}, got the end`);
  const plain = { body: at + 1, length: 0, children: 0, isText: false };
  if (first < 0x80) return plain;
  if (first < 0x90) return { ...plain, children: 2 * (first & 15) };
  if (first < 0xa0) return { ...plain, children: first & 15 };
  if (first < 0xc0) return { ...plain, length: first & 31, isText: true };
  const uint = UINTS.get(first);
  if (uint !== undefined) return { ...plain, body: readSize(bytes, at, uint).body };
  const sized = SIZED.get(first);
  if (sized === undefined) throw corrupt(`unexpected type byte 0x${first.toString(16)} at byte ${at}`);
  const { body, size } = readSize(bytes, at, sized);
  if (sized.type === 'list') return { ...plain, body, children: size };
  if (sized.type === 'map') return { ...plain, body, children: 2 * size };
  return { body, length: size, children: 0, isText: sized.type === 'text' };
}

function readSize(
  bytes: Uint8Array,
  at: number,
  rule: { field: number; least: number },
): { body: number; size: number } {
  const body = at + 1 + rule.field;
  if (body > bytes.length) throw corrupt(`the value at byte ${at} is cut off`);
  let size = 0;
  for (let i = at + 1; i < body; i++) size = size * 256 + (bytes[i] as number);
  if (size < rule.least) throw corrupt(`expected the shortest form of the value at byte ${at}`);
  return { body, size };
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function checkText(bytes: Uint8Array): void {
  try {
    utf8.decode(bytes);
  } catch (cause) {
    throw corrupt('a text is not UTF-8', cause);
  }
}

/**
 * Decodes one msgpack value that `endOfValue` has accepted.
 *
 * @param bytes exactly the value
 * @returns numbers, strings, lists, plain objects and byte arrays, the latter as copies
 * @throws NeuralDiffError `corrupt-payload`
 */
export function copyValue(bytes: Uint8Array): unknown {
  try {
    // A fresh decoder over plain bytes: no records, no Buffer, no memory shared with the input.
    return new Unpackr({ useRecords: false, mapsAsObjects: true }).unpack(new Uint8Array(bytes));
  } catch (cause) {
    throw corrupt('the header cannot be decoded', cause);
  }
}

/**
 * Reads a `bin` value.
 *
 * @param bytes the payload
 * @param start offset of the value
 * @returns a view of its content (it lives as long as `bytes`) and the offset after it
 * @throws NeuralDiffError `corrupt-payload`
 */
export function borrowBin(bytes: Uint8Array, start: number): { content: Uint8Array; end: number } {
  const type = bytes[start];
  if (type !== 0xc4 && type !== 0xc5 && type !== 0xc6) throw corrupt(`expected binary data at byte ${start}`);
  const end = endOfValue(bytes, start);
  return { content: bytes.subarray(readHead(bytes, start).body, end), end };
}
