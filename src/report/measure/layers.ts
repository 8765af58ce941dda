import { CHUNK_BYTES } from '../../model/limits.js';
import { numbersOf } from '../../model/numbers.js';
import type { Quantization, WeightStore } from '../../model/store.js';
import {
  byteLength,
  canonicalOrder,
  DTYPES,
  elementCount,
  type TensorInfo,
  wordBytes,
} from '../../model/tensor.js';
import type { ByteSource } from '../../payload/byte-source.js';
import { DiffReader } from '../../payload/decode.js';
import type { Op } from '../../payload/diff.js';
import type { OpenPayload } from '../../payload/open-payload.js';
import { orderedBits } from '../../payload/ordered-bits.js';
import { patchRange } from '../../payload/patch.js';
import type { Candidate, Layer } from '../document.js';

/** What a payload changes in each tensor, and how many bytes that takes. */
export type PayloadFacts = Pick<Candidate, 'kinds' | 'layers' | 'sharedBytes'>;

/**
 * Reads a base and a payload together, chunk by chunk.
 *
 * @param base a store that the payload fits
 * @param payload the payload, and the size of its file
 * @throws NeuralDiffError `corrupt-payload`, `limit-exceeded`; errors of the store; the signal's reason
 */
export async function measureLayers(
  base: WeightStore,
  payload: OpenPayload & { readonly payloadBytes: number },
  signal?: AbortSignal,
): Promise<PayloadFacts> {
  const records = payload.records.map((_, place) => new TracedRecord(payload, place, base.tensors));
  const buffers = { before: new Uint8Array(CHUNK_BYTES), after: new Uint8Array(CHUNK_BYTES) };
  const layers = new Map<string, Layer>();
  for (const info of canonicalOrder(base.tensors)) {
    const tally = new ElementTally(info, base.quantization?.get(info.name));
    for (const { byteOffset, length } of chunksOf(info)) {
      signal?.throwIfAborted();
      const [before, after] = [buffers.before.subarray(0, length), buffers.after.subarray(0, length)];
      await base.readInto(info.name, byteOffset, before);
      after.set(before);
      const size = wordBytes(info);
      const start = byteOffset / size;
      const ops = records.flatMap((record) =>
        record.read(info, { start, end: start + length / size, base: before }),
      );
      patchRange(ops, info, { startElement: start, bytes: after });
      tally.add({ before, after, start: byteOffset / DTYPES[info.dtype].bytes });
    }
    const bytes = records.reduce((sum, record) => sum + record.takeBytes(info), 0);
    layers.set(info.name, { ...describe(info), ...tally.result(), bytes });
  }
  const ordered = base.tensors.map(({ name }) => layers.get(name) as Layer);
  const own = ordered.reduce((sum, { bytes }) => sum + bytes, 0);
  return { kinds: kindsOf(payload), layers: ordered, sharedBytes: payload.payloadBytes - own };
}

function describe(info: TensorInfo): Pick<Layer, 'tensor' | 'dtype' | 'shape' | 'weights'> {
  return { tensor: info.name, dtype: info.dtype, shape: [...info.shape], weights: elementCount(info) };
}

/** @returns the byte ranges of a tensor's chunks; one empty chunk for a tensor without elements */
function chunksOf(info: TensorInfo): { byteOffset: number; length: number }[] {
  const total = byteLength(info);
  return Array.from({ length: Math.max(1, Math.ceil(total / CHUNK_BYTES)) }, (_, i) => {
    const byteOffset = i * CHUNK_BYTES;
    return { byteOffset, length: Math.min(CHUNK_BYTES, total - byteOffset) };
  });
}

/** @returns the kinds of a payload's records, the one with the most bytes first */
function kindsOf({ records }: OpenPayload): string[] {
  const sizes = new Map<string, number>();
  for (const { kind, bytes } of records) sizes.set(kind, (sizes.get(kind) ?? 0) + bytes.length);
  return [...sizes].sort(([, a], [, b]) => b - a).map(([kind]) => kind);
}

/** A run of a tensor's elements before and after, aligned to the element size. */
export interface ElementRun {
  readonly before: Uint8Array;
  readonly after: Uint8Array;
  /** Index of the first element. */
  readonly start: number;
}

/** Counts what changes in a tensor, run by run. */
class ElementTally {
  readonly #info: TensorInfo;
  /**
   * Scales for each index of the last dimension, or one for all; then the offsets before and after scaling.
   */
  readonly #scales: ArrayLike<number>;
  readonly #zero: number;
  readonly #min: number;
  #changed = 0;
  /** Number of weights that are finite before and after, and their sums of squares. */
  #numbers = 0;
  #change = 0;
  #magnitude = 0;

  /** @param quantization of integers that represent weights; by default they represent themselves */
  constructor(info: TensorInfo, { scale, zeroPoint = 0, min = 0 }: Quantization = { scale: 1 }) {
    this.#info = info;
    this.#scales = typeof scale === 'number' ? [scale] : scale;
    this.#zero = zeroPoint;
    this.#min = min;
  }

  add({ before, after, start }: ElementRun): void {
    const { dtype } = this.#info;
    this.#changed += countDifferences(this.#info, before, after);
    const [from, to] = [numbersOf({ dtype, bytes: before }), numbersOf({ dtype, bytes: after })];
    for (let i = 0; i < from.length; i++) {
      const scale = this.#scales[(start + i) % this.#scales.length] as number;
      const old = scale * ((from[i] as number) - this.#zero) + this.#min;
      const change = scale * ((to[i] as number) - (from[i] as number));
      if (!Number.isFinite(old) || !Number.isFinite(change)) continue;
      this.#numbers++;
      this.#change += change * change;
      this.#magnitude += old * old;
    }
  }

  /** @returns the totals; root mean squares are over weights that are finite before and after */
  result(): Pick<Layer, 'changed' | 'change' | 'magnitude'> {
    const rootOf = (squares: number): number => Math.sqrt(squares / Math.max(1, this.#numbers));
    return { changed: this.#changed, change: rootOf(this.#change), magnitude: rootOf(this.#magnitude) };
  }
}

/** @returns how many elements differ in their bits */
function countDifferences(info: TensorInfo, before: Uint8Array, after: Uint8Array): number {
  const [from, to] = [orderedBits(info, before).words, orderedBits(info, after).words];
  const step = DTYPES[info.dtype].bytes / from.BYTES_PER_ELEMENT;
  let count = 0;
  for (let i = 0; i < from.length; i += step)
    if (from[i] !== to[i] || (step > 1 && from[i + 1] !== to[i + 1])) count++;
  return count;
}

/** Buffer size for reading a record. */
const BUFFER_BYTES = 2 ** 16;

/**
 * Reads a record of a payload tensor by tensor, and attributes its bytes to them: those read since the end of
 * the previous tensor. Buckets shared by several tensors are not attributed.
 */
class TracedRecord {
  readonly #reader: DiffReader;
  readonly #kind: Op['kind'];
  readonly #source: CountingSource;
  #taken = 0;

  /** @throws NeuralDiffError `corrupt-payload`, `limit-exceeded` */
  constructor(payload: OpenPayload, place: number, tensors: readonly TensorInfo[]) {
    const { kind, bytes } = payload.records[place] as OpenPayload['records'][number];
    this.#kind = kind;
    this.#source = new CountingSource(bytes);
    this.#reader = new DiffReader({ ...payload, records: [{ kind, bytes: this.#source }] }, tensors);
  }

  touches({ name }: TensorInfo): boolean {
    return this.#reader.touched.has(name);
  }

  /** Reads the ops of this record, like `DiffReader.read`. */
  read(info: TensorInfo, run: Parameters<DiffReader['read']>[1]): Op[] {
    return this.touches(info) ? this.#reader.read(info, run) : [];
  }

  /** @returns the bytes of a tensor that has been read completely */
  takeBytes(info: TensorInfo): number {
    if (!this.touches(info)) return 0;
    const { touched } = this.#reader;
    if (touched.size === 1) return this.#source.length;
    if (this.#kind === 'hash') return 0;
    const bytes = this.#source.bytesRead - this.#taken;
    this.#taken = this.#source.bytesRead;
    return bytes;
  }
}

/** Provides one byte at a time, to know which bytes have been read. */
class CountingSource implements ByteSource {
  readonly length: number;
  readonly #bytes: ByteSource;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #window = new Uint8Array(0);
  #start = 0;
  /** Bytes read so far, from the front. */
  bytesRead = 0;

  constructor(bytes: ByteSource) {
    this.#bytes = bytes;
    this.length = bytes.length;
  }

  borrow(at: number, target = new Uint8Array(1)): Uint8Array {
    if (at < this.#start || at >= this.#start + this.#window.length) {
      this.#window = this.#bytes.borrow(at, this.#buffer) as Uint8Array<ArrayBuffer>;
      this.#start = at;
    }
    this.bytesRead = Math.max(this.bytesRead, at + 1);
    target[0] = this.#window[at - this.#start] as number;
    return target.subarray(0, 1);
  }
}
