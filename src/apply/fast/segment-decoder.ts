import { fromBase64 } from '../../model/bytes.js';
import {
  LANES,
  LEAST_STATE,
  NO_CONTEXT,
  PlainSegmentDecoder,
  type Segment,
  type SegmentDecoder,
} from '../../payload/delta/decoder.js';
import type { ElementForm, Elements } from '../../payload/delta/elements.js';
import { TOTAL } from '../../payload/delta/frequencies.js';
import { columnsOf, type Lines, MAX_COLUMNS, MAX_CONTEXTS } from '../../payload/delta/head.js';
import { SEGMENT_ELEMENTS } from '../../payload/delta/segments.js';
import { TOKENS } from '../../payload/delta/tokens.js';
import { corrupt } from '../../payload/limits.js';
import { DECODING_WASM } from './decoding-wasm.js';

/** Exports of `src/tfjs/kernels/assembly/decoding.ts`. */
interface DecodingKernels {
  fillTable(frequencies: number, table: number): void;
  levels(form: number, data: number, into: number, count: number, fraction: number): void;
  addOffsets(sums: number, count: number, row: number, columns: number): void;
  contexts(sums: number, into: number, count: number, origin: number, last: number): void;
  fewTokens(
    ...args: [
      contexts: number,
      into: number,
      count: number,
      states: number,
      lane: number,
      tables: number,
      half: number,
    ]
  ): number;
  tokens(contexts: number, into: number, count: number, states: number, tables: number, half: number): number;
  magnitudes(
    ...args: [
      tokens: number,
      into: number,
      count: number,
      first: number,
      bits: number,
      raw: number,
      at: number,
      end: number,
    ]
  ): number;
  move(
    ...args: [form: number, data: number, tokens: number, magnitudes: number, count: number, fraction: number]
  ): void;
  set(
    ...args: [form: number, data: number, tokens: number, magnitudes: number, count: number, fraction: number]
  ): void;
}

/** Elements decoded at a time, at most. */
const RUN = 2 ** 13;

/** Bytes of a table. */
const TABLE_BYTES = 4 * TOTAL;

/** The memory map: each part starts at a multiple of 16. */
const PLACES = placesOf({
  tables: (MAX_CONTEXTS + 1) * TABLE_BYTES,
  /** Address of the table of each context. */
  addresses: 4 * (NO_CONTEXT + 1),
  frequencies: 2 * TOKENS,
  first: 4 * TOKENS,
  bits: TOKENS,
  states: 4 * LANES,
  columns: 2 * MAX_COLUMNS,
  halves: 2 * SEGMENT_ELEMENTS + 16,
  raw: 4 * SEGMENT_ELEMENTS + 16,
  data: 4 * RUN,
  sums: 2 * RUN,
  contexts: RUN,
  tokens: RUN,
  magnitudes: 4 * RUN,
});

function placesOf<K extends string>(sizes: Readonly<Record<K, number>>): Readonly<Record<K | 'end', number>> {
  const places: Record<string, number> = {};
  let end = 0;
  for (const [name, size] of Object.entries<number>(sizes)) {
    places[name] = end;
    end += Math.ceil(size / 16) * 16;
  }
  return { ...places, end } as Record<K | 'end', number>;
}

/** Bits of the elements that the kernels know. */
const WIDTHS: readonly number[] = [8, 16, 32];

const PAGE_BYTES = 2 ** 16;

/** Compiles the decoding kernels. */
export function compileDecoding(): WebAssembly.Module {
  return new WebAssembly.Module(fromBase64(DECODING_WASM));
}

/** @returns the fast decoder, or the plain one if its memory cannot be allocated */
export function createSegmentDecoder(module: WebAssembly.Module): SegmentDecoder {
  try {
    return new FastSegmentDecoder(module);
  } catch (error) {
    if (error instanceof RangeError) return new PlainSegmentDecoder();
    throw error;
  }
}

/** Decodes segments in WebAssembly, with a memory of 4.5 MB; the bits are those of plain arithmetic. */
class FastSegmentDecoder implements SegmentDecoder {
  readonly #kernels: DecodingKernels;
  readonly #buffer: ArrayBuffer;
  readonly #bytes: Uint8Array;
  /** Decodes the segment if its floats have a width that no dtype has, which is rare. */
  #plain: PlainSegmentDecoder | undefined;
  #segment!: Segment;
  #at = 0;
  #half = 0;
  #bit = 0;

  /** @throws RangeError when the memory cannot be allocated */
  constructor(module: WebAssembly.Module) {
    const pages = Math.ceil(PLACES.end / PAGE_BYTES);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.#kernels = new WebAssembly.Instance(module, { env: { memory } })
      .exports as unknown as DecodingKernels;
    this.#buffer = memory.buffer;
    this.#bytes = new Uint8Array(this.#buffer);
    this.#fillTable(Uint16Array.of(TOTAL), MAX_CONTEXTS);
    this.#addresses[NO_CONTEXT] = PLACES.tables + MAX_CONTEXTS * TABLE_BYTES;
  }

  get #addresses(): Uint32Array {
    return new Uint32Array(this.#buffer, PLACES.addresses, NO_CONTEXT + 1);
  }

  #fillTable(frequencies: Uint16Array, table: number): void {
    new Uint16Array(this.#buffer, PLACES.frequencies, TOKENS).fill(0).set(frequencies);
    this.#kernels.fillTable(PLACES.frequencies, PLACES.tables + table * TABLE_BYTES);
  }

  begin(segment: Segment): void {
    const { head, states, words, raw } = segment;
    this.#segment = segment;
    this.#plain = WIDTHS.includes(segment.scope.form.width) ? undefined : new PlainSegmentDecoder();
    this.#plain?.begin(segment);
    if (this.#plain) return;
    [this.#at, this.#half, this.#bit] = [0, PLACES.halves, 0];
    const addresses = this.#addresses;
    head.contexts.forEach((frequencies, context) => {
      const isShared = frequencies === head.contexts[context - 1];
      if (!isShared) this.#fillTable(frequencies, context);
      addresses[context] = isShared
        ? (addresses[context - 1] as number)
        : PLACES.tables + context * TABLE_BYTES;
    });
    new Uint32Array(this.#buffer, PLACES.first, TOKENS).set(head.tokens.first);
    this.#bytes.set(head.tokens.bits, PLACES.bits);
    new Uint32Array(this.#buffer, PLACES.states, LANES).set(states);
    new Uint16Array(this.#buffer, PLACES.halves, words.length).set(words);
    new Uint32Array(this.#buffer, PLACES.raw, raw.length).set(raw);
    if (head.lines)
      new Int16Array(this.#buffer, PLACES.columns, head.lines.columns.length).set(head.lines.columns);
  }

  decode(elements: Elements): void {
    if (this.#plain) this.#plain.decode(elements);
    else this.#decode(elements);
  }

  #decode({ words, form }: Elements): void {
    const bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
    const size = words.BYTES_PER_ELEMENT;
    for (let start = 0; start < words.length; start += RUN) {
      const run = bytes.subarray(start * size, (start + RUN) * size);
      this.#bytes.set(run, PLACES.data);
      this.#decodeRun(run.length / size, form);
      run.set(this.#bytes.subarray(PLACES.data, PLACES.data + run.length));
    }
  }

  finish(): void {
    if (this.#plain) this.#plain.finish();
    else this.#finish();
  }

  #finish(): void {
    const { words, raw, rawBytes } = this.#segment;
    const isRead = this.#half === PLACES.halves + 2 * words.length && Math.ceil(this.#bit / 8) === rawBytes;
    const rest = (this.#bit & 7) === 0 ? 0 : (raw[this.#bit >>> 5] as number) >>> (this.#bit & 31);
    const states = new Uint32Array(this.#buffer, PLACES.states, LANES);
    if (!isRead || rest !== 0 || states.some((state) => state !== LEAST_STATE))
      throw corrupt('a segment does not end with its bytes');
  }

  #decodeRun(count: number, form: ElementForm): void {
    const { head, rawBytes } = this.#segment;
    const code = form.width + (form.isSigned ? 1 : 0);
    const { data, sums, contexts, tokens, magnitudes, first, bits, raw } = PLACES;
    if (head.isBased) this.#kernels.levels(code, data, sums, count, form.fraction);
    else new Int16Array(this.#buffer, sums, count).fill(0);
    if (head.lines) this.#addOffsets(head.lines, count);
    this.#kernels.contexts(sums, contexts, count, head.origin, head.contexts.length - 1);
    this.#decodeTokens(count);
    this.#bit = this.#kernels.magnitudes(
      ...([tokens, magnitudes, count, first, bits, raw, this.#bit, 8 * rawBytes] as const),
    );
    const replace = head.isNew ? this.#kernels.set : this.#kernels.move;
    replace(code, data, tokens, magnitudes, count, form.fraction);
    this.#at += count;
  }

  #addOffsets(lines: Lines, count: number): void {
    const { scope } = this.#segment;
    const columns = columnsOf(scope.shape as readonly number[], lines.split);
    const first = scope.first + this.#at;
    let row = Math.floor(first / columns) - Math.floor(scope.first / columns);
    let column = first % columns;
    for (let i = 0; i < count; row++, column = 0) {
      const length = Math.min(count - i, columns - column);
      const offset = lines.rows[row] as number;
      this.#kernels.addOffsets(PLACES.sums + 2 * i, length, offset, PLACES.columns + 2 * column);
      i += length;
    }
  }

  /** Decodes tokens one by one up to the first state's turn, then eight at a time, then the rest. */
  #decodeTokens(count: number): void {
    const { contexts, tokens, states, addresses } = PLACES;
    const lane = this.#at % LANES;
    const before = Math.min(count, (LANES - lane) % LANES);
    const middle = Math.floor((count - before) / LANES) * LANES;
    const rest = before + middle;
    const few = (start: number, end: number, from: number): void => {
      this.#half = this.#kernels.fewTokens(
        ...([contexts + start, tokens + start, end - start, states, from, addresses, this.#half] as const),
      );
    };
    few(0, before, lane);
    const place = [contexts + before, tokens + before, middle] as const;
    this.#half = this.#kernels.tokens(...place, states, addresses, this.#half);
    few(rest, count, 0);
  }
}
