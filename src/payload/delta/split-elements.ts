import type { ContextRange } from './context-range.js';
import { differenceOf, dropBits, type Elements, magnitudeOf, signedWords, signOf } from './elements.js';
import { KEPT, mayDrop } from './head.js';
import type { Counts } from './tables.js';
import { type TokenForm, tokenOfDifference, tokenOfNew, tokenTable } from './tokens.js';

/** In place of the index of an element that has no token: no context has this number. */
export const NO_PLACE = 0xffff;

/** The elements of a run before and after. */
export interface ElementPair {
  readonly base: Elements;
  readonly next: Elements;
}

/**
 * Leaves out the lowest bits of floats that are 0 in all of them, as of models cast from a narrower dtype.
 *
 * @param isNew whether only the next model's elements count
 */
export function shortenPair({ base, next }: ElementPair, isNew: boolean): ElementPair & { dropped: number } {
  const bits = (isNew ? 0 : bitsOf(base)) | bitsOf(next);
  const most = base.form.fraction - 1;
  const dropped = mayDrop(base.form) ? Math.min(most, bits === 0 ? most : 31 - Math.clz32(bits & -bits)) : 0;
  return { base: dropBits(base, dropped), next: dropBits(next, dropped), dropped };
}

/** @returns the bits that are set in any element, or some with the lowest one */
function bitsOf({ words }: Elements): number {
  let bits = 0;
  for (let i = 0; i < words.length && (bits & 1) === 0; i++) bits |= words[i] as number;
  return bits;
}

/** Elements of a segment, or of a part of one, as tokens and raw bits. */
export class SplitElements {
  /** Number of elements. */
  count = 0;
  readonly tokens: Uint8Array;
  /** The context and the token of each, as an index of `Counts`; `NO_PLACE` for elements without a token. */
  readonly places: Uint16Array;
  isNew = false;
  readonly #magnitudes: Int32Array;
  readonly #raw: Int32Array;
  #rawBits = 0;

  /** @param most the most elements that will be split at once */
  constructor(most: number) {
    this.tokens = new Uint8Array(most);
    this.places = new Uint16Array(most);
    this.#magnitudes = new Int32Array(most);
    this.#raw = new Int32Array(most + 2);
  }

  /** @returns the raw bits in whole bytes, as a copy */
  raw(): Uint8Array {
    return new Uint8Array(this.#raw.buffer, 0, this.rawBytes).slice();
  }

  get rawBytes(): number {
    return Math.ceil(this.#rawBits / 8);
  }

  /** Splits the elements of a segment. */
  split({ base, next }: ElementPair, { isNew, top }: { isNew: boolean; top: number }): void {
    const { form } = base;
    this.count = base.words.length;
    this.isNew = isNew;
    const magnitudes = this.#magnitudes.subarray(0, this.count);
    if (isNew) this.#splitNew(next, { form, isNew, top }, magnitudes);
    else if (form.sign !== 0) this.#splitFloats({ base, next }, magnitudes);
    else this.#splitIntegers({ base, next }, magnitudes);
    this.#writeRaw(magnitudes, tokenTable({ form, isNew, top }));
  }

  #splitNew({ words, form }: Elements, tokenForm: TokenForm, magnitudes: Int32Array): void {
    for (let i = 0; i < words.length; i++) {
      const word = words[i] as number;
      const magnitude = form.width === 8 ? word : magnitudeOf(word, form);
      magnitudes[i] = magnitude;
      this.tokens[i] = form.width === 8 ? word : tokenOfNew(magnitude, signOf(word, form), tokenForm);
    }
  }

  #splitFloats({ base, next }: ElementPair, magnitudes: Int32Array): void {
    const { sign, width } = base.form;
    const [mask, above] = [sign - 1, 32 - width];
    const [from, to] = [signedWords(base.words), signedWords(next.words)];
    const { tokens } = this;
    for (let i = 0; i < from.length; i++) {
      const before = (from[i] as number) << above;
      const after = (to[i] as number) << above;
      // Ordinal numbers as signed integers: negative floats are below 0.
      const start = ((before >>> above) & mask) ^ (before >> 31);
      const difference = (((((after >>> above) & mask) ^ (after >> 31)) - start) << above) >> above;
      const isNegative = difference >>> 31;
      const magnitude = (difference ^ -isNegative) + isNegative;
      magnitudes[i] = magnitude;
      tokens[i] = tokenOfDifference(magnitude, isNegative ^ (before >>> 31));
    }
  }

  #splitIntegers({ base, next }: ElementPair, magnitudes: Int32Array): void {
    const { form } = base;
    for (let i = 0; i < base.words.length; i++) {
      const before = base.words[i] as number;
      const sign = signOf(before, form);
      const difference = differenceOf(before, next.words[i] as number, form);
      const isNegative = difference < 0 ? 1 : 0;
      magnitudes[i] = form.width === 8 ? (sign === 1 ? -difference : difference) & 255 : Math.abs(difference);
      this.tokens[i] =
        form.width === 8
          ? (magnitudes[i] as number)
          : tokenOfDifference(magnitudes[i] as number, isNegative ^ sign);
    }
  }

  /** Writes the lowest bits of each magnitude: the others are those of its token's smallest magnitude. */
  #writeRaw(magnitudes: Int32Array, { bits }: ReturnType<typeof tokenTable>): void {
    const { tokens, count } = this;
    const raw = this.#raw;
    let [held, total] = [0, 0];
    for (let i = 0; i < count; i++) {
      const width = bits[tokens[i] as number] as number;
      const value = (magnitudes[i] as number) & ((1 << width) - 1);
      const shift = total & 31;
      held |= value << shift;
      raw[total >>> 5] = held;
      // All ones when the word is full. Shifting by 32 would be shifting by 0.
      const full = -((shift + width) >>> 5);
      held = (held & ~full) | (((value >>> 1) >>> (31 - shift)) & full);
      total += width;
    }
    raw[total >>> 5] = held;
    this.#rawBits = total;
  }

  /** Sets the context of each element, and counts the tokens of each. */
  place(sums: Int16Array, { origin, contexts }: ContextRange, counts: Counts): void {
    const { tokens, places } = this;
    const last = contexts - 1;
    counts.fill(0);
    for (let i = 0; i < this.count; i++) {
      const sum = sums[i] as number;
      if (sum === KEPT) {
        places[i] = NO_PLACE;
        continue;
      }
      const at = (Math.min(Math.max(sum - origin, 0), last) << 8) | (tokens[i] as number);
      places[i] = at;
      counts[at] = (counts[at] as number) + 1;
    }
  }
}
