import { elementCount, type TensorInfo, wordBytes } from '../../model/tensor.js';
import { type ByteSource, type Bytes, sliceOf, sourceOf, WINDOW_BYTES } from '../byte-source.js';
import type { SetOp } from '../diff.js';
import { corrupt } from '../limits.js';
import { RangeDecoder } from '../range-decoder.js';
import { codeTensors } from '../record-head.js';
import { LANES, LEAST_STATE, type SegmentDecoder } from './decoder.js';
import { dropBits, type Elements, elementsOf, formOf, shorten } from './elements.js';
import { codeHead, type Lines } from './head.js';
import { SEGMENT_ELEMENTS, type SegmentRange, segmentsOf } from './segments.js';

/** Reads a delta record sequentially: turns runs of the base's elements into those of the next model. */
export class DeltaReader {
  /** Its tensors, in canonical order. */
  readonly tensors: readonly TensorInfo[];
  /** What is left of the record. */
  readonly decoder: SequentialSource;
  readonly #ranges: ReadonlyMap<string, readonly SegmentRange[]>;
  /** Decodes its segments; free for another record afterwards. */
  readonly segments: SegmentDecoder;
  readonly #buffers = { words: new Uint8Array(0), raw: new Uint8Array(0) };
  /** Elements of the open segment that are left. */
  #left = 0;
  /** Lowest bits of its elements that are left out, and 0 in the next model. */
  #dropped = 0;
  #lines: Lines | undefined;

  constructor(record: Bytes, infos: readonly TensorInfo[], segments: SegmentDecoder) {
    this.decoder = new SequentialSource(sourceOf(record));
    this.segments = segments;
    const head = new RangeDecoder(this.decoder.take(this.decoder.number()));
    this.tensors = codeTensors(head, infos);
    head.expectEnd();
    for (const info of this.tensors)
      if (elementCount(info) === 0) throw corrupt(`tensor "${info.name}" has no weights to change`);
    this.#ranges = segmentsOf(this.tensors);
  }

  /**
   * @param start index in the tensor of the first element; runs must be consecutive
   * @param base the elements of the base
   * @returns the op for the run of elements
   */
  read(info: TensorInfo, start: number, base: Uint8Array): SetOp {
    const size = wordBytes(info);
    const bytes = base.slice();
    for (let at = 0; at < bytes.length; ) {
      if (this.#left === 0) this.#open(info, start + at / size);
      const length = Math.min(bytes.length - at, this.#left * size);
      this.#decode(elementsOf(info, bytes.subarray(at, at + length)));
      this.#left -= length / size;
      at += length;
      if (this.#left === 0) this.segments.finish();
    }
    return { kind: 'delta', tensor: info.name, bytes, ...(start > 0 && { first: start }) };
  }

  #decode(elements: Elements): void {
    const short = dropBits(elements, this.#dropped);
    this.segments.decode(short);
    if (this.#dropped > 0)
      for (let i = 0; i < short.words.length; i++)
        elements.words[i] = (short.words[i] as number) << this.#dropped;
  }

  #open(info: TensorInfo, first: number): void {
    const ranges = this.#ranges.get(info.name) as readonly SegmentRange[];
    const range = ranges[Math.floor(first / SEGMENT_ELEMENTS)] as SegmentRange;
    if (first === 0) this.#lines = undefined;
    const [headBytes, wordCount, rawBytes] = [
      this.decoder.number(),
      this.decoder.number(),
      this.decoder.number(),
    ];
    if (wordCount > range.elements || rawBytes > 4 * range.elements)
      throw corrupt('a segment has more bytes than its elements can take');
    const coder = new RangeDecoder(this.decoder.take(headBytes));
    const form = formOf(info);
    const scope = { ...range, form, before: this.#lines };
    const head = codeHead(coder, scope);
    this.#dropped = head.dropped;
    coder.expectEnd();
    if (head.lines) this.#lines = head.lines;
    const states = new Uint32Array(this.decoder.read(4 * LANES, new Uint8Array(4 * LANES)).buffer);
    if (states.some((state) => state < LEAST_STATE || state >= 2 ** 31))
      throw corrupt('a state of a segment is out of range');
    const words = this.decoder.read(2 * wordCount, this.#buffer('words', 2 * wordCount));
    const raw = this.#buffer('raw', 4 * Math.ceil(rawBytes / 4) + 8).fill(0);
    this.decoder.read(rawBytes, raw);
    const halves = new Uint16Array(words.buffer as ArrayBuffer, words.byteOffset, wordCount);
    const bits = new Uint32Array(raw.buffer as ArrayBuffer, 0, raw.length / 4);
    this.segments.begin({
      scope: { ...scope, form: shorten(form, head.dropped) },
      head,
      states,
      words: halves,
      raw: bits,
      rawBytes,
    });
    this.#left = range.elements;
  }

  #buffer(name: 'words' | 'raw', length: number): Uint8Array {
    if (this.#buffers[name].length < length) this.#buffers[name] = new Uint8Array(length + WINDOW_BYTES);
    return this.#buffers[name].subarray(0, length);
  }
}

/** @returns the bytes of a delta record that name its tensors */
export function headOf(record: Bytes): ByteSource {
  const source = new SequentialSource(sourceOf(record));
  return source.take(source.number());
}

/** Takes bytes from the front of a source. */
class SequentialSource {
  readonly #source: ByteSource;
  readonly #window = new Uint8Array(WINDOW_BYTES);
  #at = 0;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  /** Reads a whole number: seven bits a byte, the lowest first, the last byte below 128. */
  number(): number {
    let number = 0;
    for (let shift = 0; shift < 32; shift += 7) {
      const [byte] = this.read(1, new Uint8Array(1)) as unknown as [number];
      number += (byte & 127) * 2 ** shift;
      if (byte >= 128) continue;
      if (byte === 0 && shift > 0) break;
      return number;
    }
    throw corrupt('a length is not in its shortest form');
  }

  /** @returns the next bytes as a source of their own */
  take(length: number): ByteSource {
    const start = this.#at;
    this.#advance(length);
    return sliceOf(this.#source, start, this.#at);
  }

  /** Fills an array with the next bytes. */
  read(length: number, into: Uint8Array): Uint8Array {
    const start = this.#at;
    this.#advance(length);
    for (let at = start; at < this.#at; ) {
      const piece = this.#source.borrow(at, this.#window).subarray(0, this.#at - at);
      into.set(piece, at - start);
      at += piece.length;
    }
    return into;
  }

  expectEnd(): void {
    if (this.#at !== this.#source.length) throw corrupt('a record has bytes left over');
  }

  #advance(length: number): void {
    if (length > this.#source.length - this.#at) throw corrupt('a record is cut short');
    this.#at += length;
  }
}
