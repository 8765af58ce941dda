import { corrupt } from '../limits.js';
import { type Elements, type ElementForm, levelOf, magnitudeOf, signOf } from './elements.js';
import { TOTAL, TOTAL_BITS } from './frequencies.js';
import { columnsOf, KEPT, type Lines, MAX_CONTEXTS, type SegmentHead, type SegmentScope } from './head.js';
import { type TokenTable, TOKENS } from './tokens.js';

/** Coder states that take turns, one element each. */
export const LANES = 8;

/** Smallest state of the coder; each side starts or ends with it. */
export const LEAST_STATE = 2 ** 15;

/** A segment as it is read. */
export interface Segment {
  readonly scope: SegmentScope;
  readonly head: SegmentHead & { readonly tokens: TokenTable };
  /** A state for each lane. */
  readonly states: Uint32Array;
  /** Halves of the words that states take in, in the order of decoding. */
  readonly words: Uint16Array;
  /** Raw bits, from the lowest bit of the first byte on. */
  readonly raw: Uint8Array;
}

/** Decodes segments of a delta record, one at a time. */
export interface SegmentDecoder {
  /** Starts with a segment, whose arrays stay as they are until its end. */
  begin(segment: Segment): void;
  /** Replaces the next elements, which are those of the base, by those of the next model. */
  decode(elements: Elements): void;
  /**
   * Checks what is left of a segment.
   *
   * @throws NeuralDiffError `corrupt-payload`
   */
  finish(): void;
}

/**
 * Decodes segments with plain arithmetic.
 *
 * Source: J. Duda, "Asymmetric numeral systems", 2013 (range variant), with static frequencies and
 * interleaved states.
 */
export class PlainSegmentDecoder implements SegmentDecoder {
  readonly #slots = new Uint32Array(MAX_CONTEXTS * TOTAL);
  readonly #tables = new Uint8Array(MAX_CONTEXTS);
  readonly #states = new Uint32Array(LANES);
  #sums = new Int16Array(0);
  #segment!: Segment;
  #word = 0;
  #bit = 0;
  #at = 0;

  begin(segment: Segment): void {
    this.#segment = segment;
    this.#states.set(segment.states);
    [this.#word, this.#bit, this.#at] = [0, 0, 0];
    fillSlots(segment.head.contexts, this.#slots, this.#tables);
  }

  decode(elements: Elements): void {
    const { words, form } = elements;
    if (this.#sums.length < words.length) this.#sums = new Int16Array(words.length);
    const { head, scope } = this.#segment;
    sumLevels(elements, { ...head, first: scope.first + this.#at, scope }, this.#sums);
    const last = head.contexts.length - 1;
    for (let i = 0; i < words.length; i++) {
      const sum = this.#sums[i] as number;
      if (sum === KEPT) continue;
      const context = Math.min(Math.max(sum - head.origin, 0), last);
      const token = this.#step((this.#at + i) & (LANES - 1), this.#tables[context] as number);
      const bits = head.tokens.bits[token] as number;
      const magnitude = (head.tokens.first[token] as number) + (bits === 0 ? 0 : this.#raw(bits));
      const sign = form.width === 8 ? 0 : token & 1;
      words[i] = head.isNew
        ? newElement(magnitude, sign, form)
        : changedElement(words[i] as number, sign === 1 ? -magnitude : magnitude, form);
    }
    this.#at += words.length;
  }

  finish(): void {
    const { words, raw } = this.#segment;
    const isRead = this.#word === words.length && Math.ceil(this.#bit / 8) === raw.length;
    const rest = (this.#bit & 7) === 0 ? 0 : (raw[raw.length - 1] as number) >> (this.#bit & 7);
    if (!isRead || rest !== 0 || this.#states.some((state) => state !== LEAST_STATE))
      throw corrupt('a segment does not end with its bytes');
  }

  /** Decodes a token with one of the states. */
  #step(lane: number, table: number): number {
    const state = this.#states[lane] as number;
    const slot = this.#slots[(table << TOTAL_BITS) | (state & (TOTAL - 1))] as number;
    let next = Math.imul((slot & (TOTAL - 1)) + 1, state >>> TOTAL_BITS) + ((slot >>> 12) & (TOTAL - 1));
    // A word beyond the last one reads as 0; `finish` refuses that.
    if (next < LEAST_STATE) next = (next << 16) | (this.#segment.words[this.#word++] ?? 0);
    this.#states[lane] = next;
    return slot >>> 24;
  }

  /** Reads 1 to 31 raw bits. */
  #raw(bits: number): number {
    const { raw } = this.#segment;
    const [byte, shift] = [this.#bit >>> 3, this.#bit & 7];
    this.#bit += bits;
    const low =
      (raw[byte] ?? 0) | ((raw[byte + 1] ?? 0) << 8) | ((raw[byte + 2] ?? 0) << 16) | ((raw[byte + 3] ?? 0) << 24);
    const high = shift === 0 ? 0 : (raw[byte + 4] ?? 0) << (32 - shift);
    return ((low >>> shift) | high) & (2 ** bits - 1);
  }
}

/**
 * Lists for each context and each value of a state's lower bits what they stand for: the token, the place
 * among its slots, and its frequency less 1. Contexts with the same frequencies share a table.
 */
function fillSlots(contexts: readonly Uint16Array[], slots: Uint32Array, tables: Uint8Array): void {
  contexts.forEach((frequencies, context) => {
    if (frequencies === contexts[context - 1]) {
      tables[context] = tables[context - 1] as number;
      return;
    }
    tables[context] = context;
    let at = context << TOTAL_BITS;
    for (let token = 0; token < TOKENS; token++) {
      const frequency = frequencies[token] as number;
      for (let place = 0; place < frequency; place++)
        slots[at++] = ((token << 24) | (place << 12) | (frequency - 1)) >>> 0;
    }
  });
}

/** Which elements a context is computed for. */
interface SumScope extends Pick<SegmentHead, 'isBased' | 'lines'> {
  readonly scope: SegmentScope;
  /** Index of the first element in its tensor, or in the segment where that has several tensors. */
  readonly first: number;
}

/**
 * Computes for each element of a run the level of the base plus the offsets of row and column: less the
 * origin, its context.
 *
 * @param elements the base
 * @param into receives a sum for each element; `KEPT` for elements of kept rows and columns
 */
export function sumLevels(
  { words, form }: Elements,
  { isBased, lines, scope, first }: SumScope,
  into: Int16Array,
): void {
  const place = lines && new LinePlace(lines, scope, first);
  for (let i = 0; i < words.length; i++) {
    const offset = place ? place.next() : 0;
    const level =
      isBased && offset !== KEPT ? levelOf(magnitudeOf(words[i] as number, form), form.fraction) : 0;
    into[i] = level + offset;
  }
}

/** Walks through the rows and columns of a segment. */
class LinePlace {
  readonly #lines: Lines;
  readonly #columns: number;
  #row: number;
  #column: number;

  constructor(lines: Lines, { shape = [], first: start }: SegmentScope, first: number) {
    this.#lines = lines;
    this.#columns = columnsOf(shape, lines.split);
    this.#row = Math.floor(first / this.#columns) - Math.floor(start / this.#columns);
    this.#column = first % this.#columns;
  }

  /** @returns the sum of the offsets of the next element, `KEPT` when it is kept */
  next(): number {
    const row = this.#lines.rows[this.#row] as number;
    const column = this.#lines.columns[this.#column] as number;
    if (++this.#column === this.#columns) {
      this.#column = 0;
      this.#row++;
    }
    return row === KEPT || column === KEPT ? KEPT : row + column;
  }
}

function newElement(magnitude: number, sign: number, form: ElementForm): number {
  if (sign === 0) return magnitude;
  return form.sign !== 0 ? magnitude + form.sign : -magnitude;
}

/** Adds a difference, relative to the base's sign, to an element's ordinal number. */
function changedElement(word: number, difference: number, form: ElementForm): number {
  const signed = signOf(word, form) === 1 ? -difference : difference;
  const { sign } = form;
  if (sign === 0) return word + signed;
  const ordinal = ((word & sign) !== 0 ? ~word : word ^ sign) + signed;
  return (ordinal & sign) === 0 ? ~ordinal : ordinal ^ sign;
}
