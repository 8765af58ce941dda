import { RangeEncoder } from '../range-encoder.js';
import { type ContextRange, rangeOf, topOf } from './context-range.js';
import { LANES, LEAST_STATE, sumLevels } from './decoder.js';
import { differenceOf, type Elements, magnitudeOf, signOf } from './elements.js';
import { TOTAL, TOTAL_BITS } from './frequencies.js';
import { codeHead, KEPT, type Lines, MAX_CONTEXTS } from './head.js';
import { fitLines, type Run, Sizes } from './line-fit.js';
import type { TensorModel } from './models.js';
import { SEGMENT_ELEMENTS } from './segments.js';
import { type Counts, chooseTables, createCounts, frequenciesOfAll, roundWeights } from './tables.js';
import {
  type TokenForm,
  type TokenTable,
  TOKENS,
  tokenOfDifference,
  tokenOfNew,
  tokenTable,
} from './tokens.js';

/** The elements of a run before and after. */
export interface ElementPair {
  readonly base: Elements;
  readonly next: Elements;
}

/** In place of the context of an element that has no token. */
const NO_CONTEXT = 255;

/** Elements of a segment as tokens and raw bits. */
export class Tokens {
  readonly #tokens = new Uint8Array(SEGMENT_ELEMENTS);
  readonly #contexts = new Uint8Array(SEGMENT_ELEMENTS);
  readonly #raw = new Uint8Array(4 * SEGMENT_ELEMENTS + 8);
  #rawBits = 0;
  #held = 0;
  #count = 0;

  /** Raw bits, in whole bytes; valid until the next `split`. */
  get raw(): Uint8Array {
    return this.#raw.subarray(0, Math.ceil(this.#rawBits / 8));
  }

  /** Number of elements. */
  get count(): number {
    return this.#count;
  }

  tokenAt(i: number): number {
    return this.#tokens[i] as number;
  }

  /** @returns the context of an element; `NO_CONTEXT` when it has no token */
  contextAt(i: number): number {
    return this.#contexts[i] as number;
  }

  /** Splits the elements of a segment into tokens and raw bits. */
  split({ base, next }: ElementPair, { isNew, top }: { isNew: boolean; top: number }): void {
    const { form } = base;
    const table = tokenTable({ form, isNew, top });
    this.#count = base.words.length;
    [this.#rawBits, this.#held] = [0, 0];
    if (isNew) this.#splitNew(next, { form, isNew, top }, table);
    else this.#splitDifferences({ base, next }, table);
    this.#store(this.#rawBits >>> 5, this.#held);
  }

  /** Sets the context of each element, and counts the tokens of each. */
  place(sums: Int16Array, { origin, contexts }: ContextRange, counts: Counts): void {
    counts.fill(0);
    for (let i = 0; i < this.#count; i++) {
      const sum = sums[i] as number;
      if (sum === KEPT) {
        this.#contexts[i] = NO_CONTEXT;
        continue;
      }
      const context = Math.min(Math.max(sum - origin, 0), contexts - 1);
      this.#contexts[i] = context;
      const at = (context << 8) | (this.#tokens[i] as number);
      counts[at] = (counts[at] as number) + 1;
    }
  }

  #splitNew({ words, form }: Elements, tokenForm: TokenForm, table: TokenTable): void {
    for (let i = 0; i < words.length; i++) {
      const word = words[i] as number;
      if (form.width === 8) {
        this.#tokens[i] = word;
        continue;
      }
      const magnitude = magnitudeOf(word, form);
      const token = tokenOfNew(magnitude, signOf(word, form), tokenForm);
      this.#tokens[i] = token;
      this.#put(magnitude - (table.first[token] as number), table.bits[token] as number);
    }
  }

  #splitDifferences({ base, next }: ElementPair, table: TokenTable): void {
    const { form } = base;
    for (let i = 0; i < base.words.length; i++) {
      const before = base.words[i] as number;
      const after = next.words[i] as number;
      const sign = signOf(before, form);
      const difference = before === after ? 0 : differenceOf(before, after, form);
      if (form.width === 8) {
        this.#tokens[i] = sign === 1 ? -difference : difference;
        continue;
      }
      const absolute = difference < 0 ? -difference : difference;
      const token = tokenOfDifference(absolute, difference < 0 ? 1 - sign : sign);
      this.#tokens[i] = token;
      this.#put(absolute - (table.first[token] as number), table.bits[token] as number);
    }
  }

  /** Adds raw bits, 0 to 31. */
  #put(value: number, bits: number): void {
    const held = this.#rawBits & 31;
    this.#held |= value << held;
    this.#rawBits += bits;
    if (held + bits < 32) return;
    this.#store((this.#rawBits >>> 5) - 1, this.#held);
    this.#held = held === 0 ? 0 : value >>> (32 - held);
  }

  #store(word: number, bits: number): void {
    const at = 4 * word;
    for (let i = 0; i < 4; i++) this.#raw[at + i] = bits >>> (8 * i);
  }
}

/** Encodes segments of a delta record. */
export class SegmentEncoder {
  readonly #tokens = new Tokens();
  readonly #sums = new Int16Array(SEGMENT_ELEMENTS);
  readonly #counts = createCounts();
  readonly #states = new Uint32Array(LANES);
  /** Halves of words, last one first. */
  readonly #words = new Uint16Array(SEGMENT_ELEMENTS);
  readonly #frequencies = new Uint16Array(MAX_CONTEXTS * TOKENS);
  readonly #starts = new Uint16Array(MAX_CONTEXTS * TOKENS);

  /**
   * @param before offsets of the segment before of the same tensor
   * @returns the bytes of a segment, in parts, and its offsets
   */
  encode({ pair, scope }: Run, model: TensorModel, before?: Lines): { parts: Uint8Array[]; lines?: Lines } {
    const { isNew, isBased } = model;
    const lines = model.lines && fitLines(scope, new Sizes(pair, isNew), { ...model.lines, isNew, before });
    const top = topOf(pair.next, isNew);
    this.#tokens.split(pair, { isNew, top });
    const sums = this.#sums.subarray(0, pair.base.words.length);
    sumLevels(pair.base, { isBased, lines, scope, first: scope.first }, sums);
    const range = rangeOf(sums);
    this.#tokens.place(sums, range, this.#counts);
    const { weights, precision } = chooseTables(this.#counts, range.contexts);
    const rounded = weights.map((each) => each && roundWeights(each, precision));
    const coder = new RangeEncoder();
    const { origin } = range;
    codeHead(coder, { ...scope, before }, { isNew, isBased, top, lines, origin, precision, weights: rounded });
    const head = coder.finish();
    const words = this.#encodeTokens(frequenciesOfAll(rounded));
    const raw = this.#tokens.raw.slice();
    const lengths = [head.length, words.length / 2, raw.length].map(packNumber);
    return { parts: [...lengths, head, new Uint8Array(this.#states.slice().buffer), words, raw], ...(lines && { lines }) };
  }

  /** Encodes the tokens from the last to the first. @returns the bytes that a decoder takes in, in order */
  #encodeTokens(frequencies: readonly Uint16Array[]): Uint8Array {
    this.#fillTables(frequencies);
    const tokens = this.#tokens;
    this.#states.fill(LEAST_STATE);
    let count = 0;
    for (let i = tokens.count - 1; i >= 0; i--) {
      const context = tokens.contextAt(i);
      if (context === NO_CONTEXT) continue;
      const at = (context << 8) | tokens.tokenAt(i);
      const frequency = this.#frequencies[at] as number;
      const lane = i & (LANES - 1);
      let state = this.#states[lane] as number;
      if (state >>> (31 - TOTAL_BITS) >= frequency) {
        this.#words[count++] = state;
        state >>>= 16;
      }
      const share = (state / frequency) | 0;
      this.#states[lane] = share * TOTAL + (state - share * frequency) + (this.#starts[at] as number);
    }
    return new Uint8Array(this.#words.slice(0, count).reverse().buffer);
  }

  #fillTables(frequencies: readonly Uint16Array[]): void {
    frequencies.forEach((each, context) => {
      let start = 0;
      for (let token = 0; token < TOKENS; token++) {
        this.#frequencies[context * TOKENS + token] = each[token] as number;
        this.#starts[context * TOKENS + token] = start;
        start += each[token] as number;
      }
    });
  }
}

/** Packs a whole number below 2^32: seven bits a byte, the lowest first, the last byte below 128. */
export function packNumber(number: number): Uint8Array {
  const bytes: number[] = [];
  let rest = number;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Uint8Array.from([...bytes, rest]);
}
