import { RangeEncoder } from '../range-encoder.js';
import { rangeOf, topOf } from './context-range.js';
import { LANES, LEAST_STATE, sumLevels } from './decoder.js';
import { TOTAL, TOTAL_BITS } from './frequencies.js';
import { codeHead, type Lines, MAX_CONTEXTS } from './head.js';
import { fitColumns, fitLines, type Run, Sizes } from './line-fit.js';
import type { TensorModel } from './models.js';
import { SEGMENT_ELEMENTS } from './segments.js';
import { NO_PLACE, SplitElements, shortenPair } from './split-elements.js';
import { chooseTables, createCounts, frequenciesOfAll, roundWeights } from './tables.js';
import { TOKENS } from './tokens.js';

/**
 * Inverses of frequencies, a little too large. For x below 2^31, `x * INVERSES[f]` cut to a whole number is
 * `x / f` cut to one: it is less than 2^-13 too large, and `x / f` ends at least 1 / f before the next one.
 */
const INVERSES = Float64Array.from({ length: TOTAL + 1 }, (_, frequency) => (1 + 2 ** -45) / frequency);

/** A segment that has been written. */
export interface EncodedSegment {
  /** Its bytes, in order. */
  readonly parts: readonly Uint8Array[];
  /** The offsets of its rows and columns, and the columns that were fitted to the first segment. */
  readonly lines?: Lines | undefined;
  readonly columns?: Float32Array | undefined;
}

/** Encodes segments of delta records, one after the other. */
export class SegmentEncoder {
  /** Room for a segment's bytes in both models, which the encoder itself does not use. */
  readonly before = new Uint8Array(4 * SEGMENT_ELEMENTS);
  readonly after = new Uint8Array(4 * SEGMENT_ELEMENTS);
  readonly #tokens = new SplitElements(SEGMENT_ELEMENTS);
  readonly #sums = new Int16Array(SEGMENT_ELEMENTS);
  readonly #counts = createCounts();
  readonly #states = new Int32Array(LANES);
  /** Halves of words, filled from the end; the first one is never used. */
  readonly #words = new Uint16Array(SEGMENT_ELEMENTS + 1);
  /** For each token in each context its frequency, and above 16 bits the sum of those before it. */
  readonly #ranges = new Int32Array(MAX_CONTEXTS * TOKENS);

  /**
   * @param before what the segment before of the same tensor returned
   * @returns the bytes of a segment, in parts, and what the next one of the tensor needs
   */
  encode(run: Run, model: TensorModel, before?: EncodedSegment): EncodedSegment {
    const { isNew, isBased } = model;
    const pair = shortenPair(run.pair, isNew);
    const scope = { ...run.scope, form: pair.base.form };
    const top = topOf(pair.next, isNew);
    this.#tokens.split(pair, { isNew, top });
    const sizes = new Sizes(pair, this.#tokens);
    const plan = model.lines && {
      ...model.lines,
      isNew,
      columns: before?.columns ?? fitColumns(scope, sizes, model.lines.split),
      before: before?.lines,
    };
    const lines = plan && fitLines(scope, sizes, plan);
    const sums = this.#sums.subarray(0, pair.base.words.length);
    sumLevels(pair.base, { isBased, lines, scope, first: scope.first }, sums);
    const range = rangeOf(sums);
    this.#tokens.place(sums, range, this.#counts);
    const { weights, precision } = chooseTables(this.#counts, range.contexts);
    const rounded = weights.map((each) => each && roundWeights(each, precision));
    const coder = new RangeEncoder();
    const { origin } = range;
    codeHead(
      coder,
      { ...run.scope, before: before?.lines },
      { dropped: pair.dropped, isNew, isBased, top, lines, origin, precision, weights: rounded },
    );
    const head = coder.finish();
    const words = this.#encodeTokens(frequenciesOfAll(rounded));
    const raw = this.#tokens.raw();
    const lengths = [head.length, words.length / 2, raw.length].map(packNumber);
    const states = new Uint8Array(this.#states.slice().buffer);
    return { parts: [...lengths, head, states, words, raw], lines, columns: plan?.columns };
  }

  /** Encodes the tokens from the last to the first. @returns the bytes that a decoder takes in, in order */
  #encodeTokens(frequencies: readonly Uint16Array[]): Uint8Array {
    this.#fillTables(frequencies);
    const { places, count } = this.#tokens;
    const [states, ranges, words] = [this.#states.fill(LEAST_STATE), this.#ranges, this.#words];
    let at = words.length;
    for (let i = count - 1; i >= 0; i--) {
      const place = places[i] as number;
      if (place === NO_PLACE) continue;
      const range = ranges[place] as number;
      const frequency = range & 0xffff;
      let state = states[i & (LANES - 1)] as number;
      // A branch would be taken half of the time, and predicted as often.
      const isFull = (frequency - 1 - (state >>> (31 - TOTAL_BITS))) >>> 31;
      words[at - 1] = state;
      at -= isFull;
      state >>>= isFull << 4;
      const share = (state * (INVERSES[frequency] as number)) | 0;
      states[i & (LANES - 1)] =
        (share << TOTAL_BITS) + (state - Math.imul(share, frequency)) + (range >>> 16);
    }
    return new Uint8Array(words.slice(at).buffer);
  }

  #fillTables(frequencies: readonly Uint16Array[]): void {
    frequencies.forEach((each, context) => {
      let start = 0;
      for (let token = 0; token < TOKENS; token++) {
        this.#ranges[context * TOKENS + token] = (start << 16) | (each[token] as number);
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
