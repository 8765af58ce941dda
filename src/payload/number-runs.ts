import { MAX_NUMBERS, type NumberRun } from './structure-coding.js';

/** Numbers looked at together. */
const BLOCK = 32;

/** Bytes from which a width is chosen, and the fewest of a run. */
export const COMPARED_BYTES = 256;

/** Most bits that a byte of a run may take, as estimated. */
const MOST_BITS = 5;

/** Estimated bits of a difference: of its sign, mostly a rise, and for each of its bits. */
const [RISE_BITS, FALL_BITS, SCALE_BITS] = [1, 4, 1.2];

/** Where a run begins, and what may end it. */
interface Place {
  readonly start: number;
  /** Whether no run may go on at an offset. */
  readonly isEnd: (at: number) => boolean;
}

/**
 * Finds numbers that follow each other in small steps, such as the sorted places of kept weights.
 *
 * @returns a run of the width that takes the fewest bits, and about how many its first `COMPARED_BYTES` take;
 *   undefined where it takes too many
 */
export function findNumbers(
  bytes: Uint8Array,
  { start, isEnd }: Place,
): { run: NumberRun; bits: number } | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let [width, least] = [0, COMPARED_BYTES * MOST_BITS];
  for (const each of [1, 2, 4]) {
    const bits = bitsOf(view, start, { width: each, count: COMPARED_BYTES / each });
    if (bits < least) [width, least] = [each, bits];
  }
  if (width === 0) return undefined;
  let count = 0;
  for (let at = start; count + BLOCK <= MAX_NUMBERS && !isEnd(at); at += BLOCK * width, count += BLOCK) {
    if (bitsOf(view, at, { width, count: BLOCK }) > MOST_BITS * width * BLOCK) break;
  }
  return count * width < COMPARED_BYTES ? undefined : { run: { width, count }, bits: least };
}

/** @returns about how many bits the differences of numbers take; infinite beyond the end of the bytes */
function bitsOf(view: DataView, start: number, { width, count }: NumberRun): number {
  if (start + width * count > view.byteLength) return Number.POSITIVE_INFINITY;
  let [before, bits] = [numberAt(view, start, width), 0];
  for (let at = start + width; at < start + width * count; at += width) {
    const number = numberAt(view, at, width);
    const difference = number - before;
    bits += (difference < 0 ? FALL_BITS : RISE_BITS) + SCALE_BITS * (32 - Math.clz32(Math.abs(difference)));
    before = number;
  }
  return bits;
}

function numberAt(view: DataView, at: number, width: number): number {
  if (width === 1) return view.getUint8(at);
  return width === 2 ? view.getUint16(at, true) : view.getUint32(at, true);
}
