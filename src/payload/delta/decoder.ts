import { corrupt } from '../limits.js';
import { type ElementForm, type Elements, levelOf, magnitudeOf, signedWords, signOf } from './elements.js';
import { TOTAL, TOTAL_BITS } from './frequencies.js';
import { columnsOf, KEPT, type Lines, MAX_CONTEXTS, type SegmentHead, type SegmentScope } from './head.js';
import { TOKENS, type TokenTable } from './tokens.js';

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
  /** Raw bits, from the lowest bit on, with two words of zeros behind the last byte. */
  readonly raw: Uint32Array;
  readonly rawBytes: number;
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

/** Elements decoded at a time, at most. */
const RUN = 2 ** 13;

/** In place of the context of elements of kept rows and columns, which have no tokens. */
export const NO_CONTEXT = 255;

/**
 * Decodes segments with plain arithmetic.
 *
 * Source: J. Duda, "Asymmetric numeral systems", 2013 (range variant), with static frequencies and
 * interleaved states.
 */
export class PlainSegmentDecoder implements SegmentDecoder {
  readonly #slots = new Int32Array(MAX_CONTEXTS * TOTAL);
  readonly #tables = new Uint8Array(MAX_CONTEXTS);
  readonly #states = new Int32Array(LANES);
  readonly #sums = new Int16Array(RUN);
  readonly #contexts = new Uint8Array(RUN);
  readonly #decoded = new Uint8Array(RUN);
  readonly #magnitudes = new Int32Array(RUN);
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

  decode({ words, form }: Elements): void {
    const { head, scope } = this.#segment;
    for (let start = 0; start < words.length; start += RUN) {
      const run = { words: words.subarray(start, start + RUN), form };
      sumLevels(run, { ...head, first: scope.first + this.#at, scope }, this.#sums);
      this.#chooseContexts(run.words.length);
      this.#decodeTokens(run.words.length);
      this.#decodeMagnitudes(run.words.length);
      this.#replace(run);
      this.#at += run.words.length;
    }
  }

  finish(): void {
    const { words, raw, rawBytes } = this.#segment;
    const isRead = this.#word === words.length && Math.ceil(this.#bit / 8) === rawBytes;
    const rest = (this.#bit & 7) === 0 ? 0 : (raw[this.#bit >>> 5] as number) >>> (this.#bit & 31);
    if (!isRead || rest !== 0 || this.#states.some((state) => state !== LEAST_STATE))
      throw corrupt('a segment does not end with its bytes');
  }

  #chooseContexts(count: number): void {
    const { origin, contexts } = this.#segment.head;
    const sums = this.#sums;
    for (let i = 0; i < count; i++) {
      const sum = sums[i] as number;
      const context = Math.min(Math.max(sum - origin, 0), contexts.length - 1);
      this.#contexts[i] = sum === KEPT ? NO_CONTEXT : (this.#tables[context] as number);
    }
  }

  /** Decodes a token for each element, 0 for those without. */
  #decodeTokens(count: number): void {
    const { words } = this.#segment;
    const [contexts, decoded, slots, states] = [this.#contexts, this.#decoded, this.#slots, this.#states];
    let word = this.#word;
    for (let i = 0; i < count; i++) {
      const context = contexts[i] as number;
      if (context === NO_CONTEXT) {
        decoded[i] = 0;
        continue;
      }
      const lane = (this.#at + i) & (LANES - 1);
      const state = states[lane] as number;
      const slot = slots[(context << TOTAL_BITS) | (state & (TOTAL - 1))] as number;
      let next =
        Math.imul((slot & (TOTAL - 1)) + 1, state >>> TOTAL_BITS) + ((slot >>> TOTAL_BITS) & (TOTAL - 1));
      // What is read behind the last word counts as 0; `finish` refuses it.
      if (next < LEAST_STATE) next = (next << 16) | (words[word++] as number);
      states[lane] = next;
      decoded[i] = slot >>> 24;
    }
    this.#word = word;
  }

  /** Adds the raw bits to the smallest magnitude of each token. */
  #decodeMagnitudes(count: number): void {
    const { raw, head } = this.#segment;
    const { first, bits } = head.tokens;
    const [decoded, magnitudes] = [this.#decoded, this.#magnitudes];
    let at = this.#bit;
    for (let i = 0; i < count; i++) {
      const token = decoded[i] as number;
      const width = bits[token] as number;
      const [word, shift] = [at >>> 5, at & 31];
      const low = (raw[word] as number) >>> shift;
      // Shifting by 32 would be shifting by 0.
      const high = ((raw[word + 1] as number) << 1) << (31 - shift);
      magnitudes[i] = (first[token] as number) + ((low | high) & ((1 << width) - 1));
      at += width;
    }
    this.#bit = at;
  }

  #replace({ words, form }: Elements): void {
    const { isNew } = this.#segment.head;
    const [decoded, magnitudes] = [this.#decoded, this.#magnitudes];
    const signed = form.width === 8 ? 0 : 1;
    if (isNew) {
      for (let i = 0; i < words.length; i++)
        words[i] = newElement(magnitudes[i] as number, (decoded[i] as number) & signed, form);
    } else if (form.sign !== 0) {
      this.#moveFloats({ words, form });
    } else {
      for (let i = 0; i < words.length; i++) {
        const magnitude = magnitudes[i] as number;
        if (magnitude === 0) continue;
        const isNegative = (decoded[i] as number) & signed;
        const isReversed = isNegative !== signOf(words[i] as number, form);
        words[i] = (words[i] as number) + (isReversed ? -magnitude : magnitude);
      }
    }
  }

  /** Adds differences, relative to the base's signs, to ordinal numbers: signed integers here. */
  #moveFloats({ words, form }: Elements): void {
    const [decoded, magnitudes, elements] = [this.#decoded, this.#magnitudes, signedWords(words)];
    const [mask, above, sign] = [form.sign - 1, 32 - form.width, form.sign | 0];
    for (let i = 0; i < elements.length; i++) {
      const word = (elements[i] as number) << above;
      const start = ((word >>> above) & mask) ^ (word >> 31);
      const isNegative = ((decoded[i] as number) & 1) ^ (word >>> 31);
      const difference = ((magnitudes[i] as number) ^ -isNegative) + isNegative;
      const ordinal = ((start + difference) << above) >> above;
      elements[i] = ((ordinal ^ (ordinal >> 31)) & mask) | (ordinal & sign);
    }
  }
}

/**
 * Lists for each context and each value of a state's lower bits what they stand for: the token, the place
 * among its slots, and its frequency less 1. Contexts with the same frequencies share a table.
 */
function fillSlots(contexts: readonly Uint16Array[], slots: Int32Array, tables: Uint8Array): void {
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
        slots[at++] = (token << 24) | (place << 12) | (frequency - 1);
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
  if (isBased) levelsOf({ words, form }, into);
  else into.fill(0, 0, words.length);
  if (lines) addOffsets(into.subarray(0, words.length), lines, { scope, first });
}

function levelsOf({ words, form }: Elements, into: Int16Array): void {
  const { fraction, sign } = form;
  const [mask, least] = [sign - 1, 2 ** fraction];
  const elements = signedWords(words);
  for (let i = 0; i < elements.length; i++) {
    const magnitude = sign === 0 ? magnitudeOf(words[i] as number, form) : (elements[i] as number) & mask;
    const isNormal = sign !== 0 && magnitude >= least;
    into[i] = isNormal ? (magnitude >>> (fraction - 1)) + 2 * fraction : levelOf(magnitude, fraction);
  }
}

/** Adds the offsets of rows and columns; `KEPT` where one of them is. */
function addOffsets(
  sums: Int16Array,
  lines: Lines,
  { scope, first }: Pick<SumScope, 'scope' | 'first'>,
): void {
  const columns = columnsOf(scope.shape as readonly number[], lines.split);
  let row = Math.floor(first / columns) - Math.floor(scope.first / columns);
  let column = first % columns;
  for (let i = 0; i < sums.length; row++, column = 0) {
    const offset = lines.rows[row] as number;
    const end = Math.min(sums.length, i + columns - column);
    if (offset === KEPT) sums.fill(KEPT, i, end);
    else
      for (let at = i, of = column; at < end; at++, of++) {
        const other = lines.columns[of] as number;
        sums[at] = other === KEPT ? KEPT : (sums[at] as number) + offset + other;
      }
    i = end;
  }
}

function newElement(magnitude: number, sign: number, form: ElementForm): number {
  if (sign === 0) return magnitude;
  return form.sign !== 0 ? magnitude + form.sign : -magnitude;
}
