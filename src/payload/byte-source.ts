import { concatBytes } from '../model/bytes.js';

/** Bytes that need not all lie in memory: those of a payload file, or of a record in it. */
export interface ByteSource {
  readonly length: number;
  /**
   * @param at an offset below the length
   * @param room an array that a source which reads elsewhere may fill and give back, so that no new one is left to be collected
   * @returns the bytes from there on: at least one, at most the rest; nobody changes them later but by way of `room`
   */
  borrow(at: number, room?: Uint8Array): Uint8Array;
}

/** Bytes of a room for windows of a source. */
export const WINDOW_BYTES = 2 ** 16;

/** Bytes in memory, or elsewhere. */
export type Bytes = Uint8Array | ByteSource;

/** @returns bytes wherever they are as a source */
export function sourceOf(bytes: Bytes): ByteSource {
  if (!(bytes instanceof Uint8Array)) return bytes;
  return { length: bytes.length, borrow: (at) => bytes.subarray(at) };
}

/** @returns a run of a source's bytes as a source of its own */
export function sliceOf(source: ByteSource, start: number, end: number): ByteSource {
  const length = end - start;
  return { length, borrow: (at, room) => source.borrow(start + at, room).subarray(0, length - at) };
}

/** @returns the bytes of a source, or its first ones, in one piece */
export function joinBytes(source: ByteSource, length = source.length): Uint8Array {
  const pieces: Uint8Array[] = [];
  const end = Math.min(length, source.length);
  for (let at = 0; at < end; at += (pieces.at(-1) as Uint8Array).length)
    pieces.push(source.borrow(at).subarray(0, end - at));
  return pieces.length === 1 ? (pieces[0] as Uint8Array) : concatBytes(pieces);
}
