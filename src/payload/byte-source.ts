import { concatBytes } from '../model/bytes.js';

/** Random access to bytes that need not be in memory, such as a payload file or one of its records. */
export interface ByteSource {
  readonly length: number;
  /**
   * Returns some of the bytes from an offset on.
   *
   * @param at an offset below the length
   * @param buffer a reusable array that a source outside memory may fill and return, to avoid an allocation
   * @returns at least one byte, at most the rest; valid until `buffer` is reused
   */
  borrow(at: number, buffer?: Uint8Array): Uint8Array;
}

/** Most bytes of a payload that is held in memory as a whole. */
export const MAX_HELD_BYTES = 2 ** 30;

/** Size of a buffer for windows of a source, in bytes. */
export const WINDOW_BYTES = 2 ** 16;

/** Bytes in memory or behind a source. */
export type Bytes = Uint8Array | ByteSource;

/** @returns the bytes as a source */
export function sourceOf(bytes: Bytes): ByteSource {
  if (!(bytes instanceof Uint8Array)) return bytes;
  return { length: bytes.length, borrow: (at) => bytes.subarray(at) };
}

/** @returns a range of a source as a separate source */
export function sliceOf(source: ByteSource, start: number, end: number): ByteSource {
  const length = end - start;
  return { length, borrow: (at, buffer) => source.borrow(start + at, buffer).subarray(0, length - at) };
}

/** @returns the bytes of several sources, one behind the other */
export function joinSources(sources: readonly ByteSource[]): ByteSource {
  const starts = [0];
  for (const { length } of sources) starts.push((starts.at(-1) as number) + length);
  const length = starts.pop() as number;
  // Bytes are mostly read from front to back, so start from the last source.
  let i = 0;
  return {
    length,
    borrow(at, buffer) {
      if ((starts[i] as number) > at) i = 0;
      while (i + 1 < starts.length && (starts[i + 1] as number) <= at) i++;
      return (sources[i] as ByteSource).borrow(at - (starts[i] as number), buffer);
    },
  };
}

/** @returns the first `length` bytes of a source, all by default, as one array */
export function joinBytes(source: ByteSource, length = source.length): Uint8Array {
  const pieces: Uint8Array[] = [];
  const end = Math.min(length, source.length);
  for (let at = 0; at < end; at += (pieces.at(-1) as Uint8Array).length)
    pieces.push(source.borrow(at).subarray(0, end - at));
  return pieces.length === 1 ? (pieces[0] as Uint8Array) : concatBytes(pieces);
}
