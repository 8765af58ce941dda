import { type BitCoder, Contexts, FAST, NumberCoding } from './coding.js';
import { corrupt } from './limits.js';

/** Shortest match that is coded with its place. */
export const MIN_MATCH = 4;

/** Contexts of one byte: a tree of eight decisions. */
const TREE = 256;

/** Places of the decisions between literals and matches in their contexts. */
const IS_REPEAT = 2;
const IS_IN_BASE = 4;
const IS_NUMBERS = 5;

/** Trees for numbers of 1, 2 and 4 bytes: for byte i of a number of w bytes, that of w - 1 + i. */
const NUMBER_TREES = 7;

/** Most numbers of a run: a step stays short. */
export const MAX_NUMBERS = 2 ** 12;

/** Bytes that are copied from an earlier place. */
export interface Match {
  readonly from: number;
  readonly length: number;
}

/** Whole numbers of 1, 2 or 4 bytes, the lowest byte first, coded as differences to the one before. */
export interface NumberRun {
  readonly width: number;
  readonly count: number;
}

/**
 * Codes the structure of files by matches with the base's structure and with what was coded before. A byte
 * between two matches that is next to the base's is coded as its difference to the byte that would continue
 * the match. Runs of numbers, such as the places of the weights that a pruned model keeps, are coded as
 * differences to the number before.
 *
 * Sources: J. Ziv and A. Lempel, "A universal algorithm for sequential data compression", 1977; C. Percival,
 * "Naive differences of executable code", 2003 (differences next to matches).
 */
export class StructureCoding {
  /** The base's structure, then that of the new files. */
  readonly bytes: Uint8Array;
  readonly baseBytes: number;
  readonly #coder: BitCoder;
  /** Whether a match follows, and whether it is a repeat, each by what came before; whether in the base. */
  readonly #kinds = new Contexts(IS_NUMBERS + 1, FAST);
  readonly #signs = new Contexts(1, FAST);
  readonly #seeks: NumberCoding;
  readonly #distances: NumberCoding;
  readonly #repeats: NumberCoding;
  readonly #lengths: NumberCoding;
  readonly #counts: NumberCoding;
  /** Differences by the difference before; other bytes by the byte before; numbers by width and place. */
  readonly #differences = new Contexts(TREE * TREE, FAST);
  readonly #others = new Contexts(TREE * TREE, FAST);
  readonly #numbers = new Contexts(NUMBER_TREES * TREE, FAST);
  #at: number;
  #from = 0;
  /** Where the base would continue. */
  #fromBase = 0;
  #difference = 0;
  #afterMatch = 0;

  /** @param bytes the base's structure, followed by the bytes to encode, or by space for those to decode */
  constructor(coder: BitCoder, bytes: Uint8Array, baseBytes: number) {
    this.bytes = bytes;
    this.baseBytes = baseBytes;
    this.#coder = coder;
    this.#at = baseBytes;
    this.#seeks = new NumberCoding(coder, FAST);
    this.#distances = new NumberCoding(coder, FAST);
    this.#repeats = new NumberCoding(coder, FAST);
    this.#lengths = new NumberCoding(coder, FAST);
    this.#counts = new NumberCoding(coder, FAST);
  }

  /** Offset in `bytes` of the next byte. */
  get at(): number {
    return this.#at;
  }

  /** Offset in `bytes` of the byte that the next one is predicted from. */
  get from(): number {
    return this.#from;
  }

  /**
   * Codes a byte, a match or a run of numbers.
   *
   * @param part for an encoder: a match, `from` before `at`, or a run; without one, a byte is coded
   * @throws NeuralDiffError `corrupt-payload` for a match outside the bytes, or numbers beyond them
   */
  step(part?: Match | NumberRun): void {
    const coder = this.#coder;
    if (coder.bit(this.#kinds, this.#afterMatch, part ? 1 : 0) === 0) {
      this.#codeByte();
      return;
    }
    const run = part && 'width' in part ? part : undefined;
    if (coder.bit(this.#kinds, IS_NUMBERS, run ? 1 : 0) === 1) this.#codeNumbers(run);
    else this.#codeMatch(part as Match | undefined);
    this.#difference = 0;
    this.#afterMatch = 1;
  }

  #codeByte(): void {
    const { bytes, baseBytes } = this;
    const actual = bytes[this.#at] as number;
    if (this.#from < baseBytes) {
      const predicted = bytes[this.#from] as number;
      this.#difference = this.#tree(this.#differences, this.#difference, (actual - predicted) & 0xff);
      bytes[this.#at] = predicted + this.#difference;
    } else {
      const before = this.#at > 0 ? (bytes[this.#at - 1] as number) : 0;
      bytes[this.#at] = this.#tree(this.#others, before, actual);
    }
    this.#advance(1);
    this.#afterMatch = 0;
  }

  #tree(contexts: Contexts, before: number, value: number): number {
    let node = 1;
    for (let bit = 7; bit >= 0; bit--)
      node = 2 * node + this.#coder.bit(contexts, TREE * before + node, (value >>> bit) & 1);
    return node - TREE;
  }

  #codeNumbers(run: NumberRun = { width: 1, count: 1 }): void {
    const { bytes } = this;
    const width = 1 << this.#coder.raw(2, run.width >>> 1);
    const count = this.#counts.code(run.count - 1) + 1;
    if (width > 4 || count > MAX_NUMBERS || width * count > bytes.length - this.#at)
      throw corrupt('numbers of the structure are out of range');
    const numbers = new DataView(bytes.buffer, bytes.byteOffset + this.#at, width * count);
    let before = 0;
    for (let at = 0; at < numbers.byteLength; at += width) {
      let difference = 0;
      for (let i = 0; i < width; i++) {
        const byte = ((readNumber(numbers, at, width) - before) >>> (8 * i)) & 0xff;
        difference += this.#tree(this.#numbers, width - 1 + i, byte) << (8 * i);
      }
      before += difference;
      for (let i = 0; i < width; i++) numbers.setUint8(at + i, before >>> (8 * i));
    }
    this.#advance(numbers.byteLength);
  }

  #codeMatch(match: Match = { from: 0, length: 0 }): void {
    const { bytes, baseBytes } = this;
    const at = this.#at;
    const again = match.from === this.#from ? 1 : 0;
    const isRepeat = this.#coder.bit(this.#kinds, IS_REPEAT + this.#afterMatch, again) === 1;
    const from = isRepeat ? this.#from : this.#codePlace(match.from);
    const length = isRepeat
      ? this.#repeats.code(match.length - 1) + 1
      : this.#lengths.code(match.length - MIN_MATCH) + MIN_MATCH;
    if (!(from >= 0 && from < at) || length > bytes.length - at)
      throw corrupt('a match of the structure is out of range');
    // A byte at a time: a match may overlap what it makes.
    for (let i = 0; i < length; i++) bytes[at + i] = bytes[from + i] as number;
    if (from < baseBytes) this.#fromBase = from;
    this.#from = from;
    this.#advance(length);
  }

  #codePlace(from: number): number {
    const isInBase =
      this.baseBytes > 0 && this.#coder.bit(this.#kinds, IS_IN_BASE, from < this.baseBytes ? 1 : 0);
    if (!isInBase) return this.#at - 1 - this.#distances.code(this.#at - 1 - from);
    const seek = from - this.#fromBase;
    const isBack = this.#coder.bit(this.#signs, 0, seek < 0 ? 1 : 0) === 1;
    const distance = this.#seeks.code(Math.abs(seek));
    return this.#fromBase + (isBack ? -distance : distance);
  }

  #advance(length: number): void {
    this.#at += length;
    this.#from += length;
    this.#fromBase += length;
  }
}

function readNumber(numbers: DataView, at: number, width: number): number {
  if (width === 1) return numbers.getUint8(at);
  return width === 2 ? numbers.getUint16(at, true) : numbers.getInt32(at, true);
}
