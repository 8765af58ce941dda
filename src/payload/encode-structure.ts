import { concatBytes } from '../model/bytes.js';
import type { BitCoder } from './coding.js';
import { COMPARED_BYTES, findNumbers } from './number-runs.js';
import { type Match, MIN_MATCH, type NumberRun, StructureCoding } from './structure-coding.js';

/** Shortest repeat that is shorter than its bytes. */
const MIN_REPEAT = 2;

/** Shortest match at another place, and bytes that it must save over going on where the last match ended. */
const MIN_SEEK = 5;
const SEEK_GAIN = 6;

/** Places compared for a match, and a match that is long enough to stop. */
const TRIES = 256;
const LONG_MATCH = 256;

/** A match that runs of numbers leave alone, and bytes between two places where such a run is looked for. */
const LONG_ENOUGH = 24;
const LOOK_EVERY = 8;

/** Estimated bits of a step, by its kind. */
const [REPEAT_BITS, MATCH_BITS, EQUAL_BITS, BYTE_BITS] = [8, 22, 1.5, 7];

const HASH_BITS = 16;

/** Where a step begins. */
type Place = Pick<StructureCoding, 'bytes' | 'at' | 'from' | 'baseBytes'>;

/** Writes the structure of files, given that of the base's. */
export function encodeStructure(coder: BitCoder, base: Uint8Array, structure: Uint8Array): void {
  const coding = new StructureCoding(coder, concatBytes([base, structure]), base.length);
  const index = new MatchIndex(coding.bytes);
  let [indexed, nextLook] = [0, 0];
  while (coding.at < coding.bytes.length) {
    for (; indexed < coding.at; indexed++) index.add(indexed);
    const match = chooseMatch(coding, index);
    const isLook = coding.at >= nextLook && (match?.length ?? 0) < LONG_ENOUGH;
    const numbers = isLook ? chooseNumbers(coding, index) : undefined;
    if (isLook && numbers === undefined) nextLook = coding.at + LOOK_EVERY;
    coding.step(numbers ?? match);
  }
}

/** @returns numbers that take fewer bits than matches would */
function chooseNumbers(coding: Place, index: MatchIndex): NumberRun | undefined {
  const { bytes, at, from } = coding;
  const isEnd = (place: number): boolean => {
    const again = from + place - at;
    if (again < place && sharedBytes(bytes, again, place) >= LONG_ENOUGH) return true;
    return (index.find(place)?.length ?? 0) >= LONG_ENOUGH;
  };
  const found = findNumbers(bytes, { start: at, isEnd });
  return found && found.bits < bitsOfMatches(coding, index, COMPARED_BYTES) ? found.run : undefined;
}

/** @returns about how many bits the next bytes take as matches and bytes */
function bitsOfMatches(coding: Place, index: MatchIndex, length: number): number {
  const { bytes, baseBytes } = coding;
  let [at, from, bits] = [coding.at, coding.from, 0];
  for (const end = at + length; at < end; ) {
    const match = chooseMatch({ bytes, at, from, baseBytes }, index);
    if (match) bits += match.from === from ? REPEAT_BITS : MATCH_BITS;
    else bits += from < baseBytes && bytes[from] === bytes[at] ? EQUAL_BITS : BYTE_BITS;
    at += match?.length ?? 1;
    from = (match?.from ?? from) + (match?.length ?? 1);
  }
  return bits * (length / (at - coding.at));
}

function chooseMatch({ bytes, at, from, baseBytes }: Place, index: MatchIndex): Match | undefined {
  const again = from < at ? sharedBytes(bytes, from, at) : 0;
  const best = again < LONG_MATCH ? index.find(at) : undefined;
  const length = best?.length ?? 0;
  const repeat = again >= MIN_REPEAT ? { from, length: again } : undefined;
  if (repeat && again + 8 >= length) return repeat;
  if (best === undefined || length < MIN_SEEK) return repeat;
  // Next to the base, the bytes that are equal anyway need no seek.
  const gain = from < baseBytes ? length - equalBytesNext(bytes, { from, at, length }) : length;
  return gain >= SEEK_GAIN || from >= baseBytes ? best : repeat;
}

/** @returns how many bytes are equal from two offsets on, the second one later */
function sharedBytes(bytes: Uint8Array, from: number, at: number): number {
  let length = 0;
  while (at + length < bytes.length && bytes[from + length] === bytes[at + length]) length++;
  return length;
}

function equalBytesNext(
  bytes: Uint8Array,
  { from, at, length }: { from: number; at: number; length: number },
): number {
  let equal = 0;
  for (let i = 0; i < length; i++) if (bytes[from + i] === bytes[at + i]) equal++;
  return equal;
}

/** Finds earlier places with the same four bytes, the latest first. */
class MatchIndex {
  readonly #bytes: Uint8Array;
  readonly #last = new Int32Array(2 ** HASH_BITS).fill(-1);
  readonly #before: Int32Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#before = new Int32Array(bytes.length);
  }

  add(at: number): void {
    if (at + MIN_MATCH > this.#bytes.length) return;
    const hash = this.#hash(at);
    this.#before[at] = this.#last[hash] as number;
    this.#last[hash] = at;
  }

  /** @returns the longest match that was found; of equally long ones, the latest */
  find(at: number): Match | undefined {
    if (at + MIN_MATCH > this.#bytes.length) return undefined;
    let best = { from: -1, length: 0 };
    let from = this.#last[this.#hash(at)] as number;
    for (let tries = 0; tries < TRIES && from >= 0 && best.length < LONG_MATCH; tries++) {
      const length = sharedBytes(this.#bytes, from, at);
      if (length > best.length) best = { from, length };
      from = this.#before[from] as number;
    }
    return best.length >= MIN_MATCH ? best : undefined;
  }

  #hash(at: number): number {
    const bytes = this.#bytes;
    const low = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
    const word = low | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24);
    return Math.imul(word, 0x9e3779b1) >>> (32 - HASH_BITS);
  }
}
