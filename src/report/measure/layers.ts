import { openFrame } from '../../apply/new-files.js';
import { CHUNK_BYTES } from '../../model/limits.js';
import { numbersOf } from '../../model/numbers.js';
import type { Quantization, WeightStore } from '../../model/store.js';
import {
  byteLength,
  canonicalOrder,
  DTYPES,
  elementCount,
  type TensorInfo,
  totalElements,
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
 * Reads a base and a payload together, chunk by chunk. Tensors of new files are compared with those that they
 * are coded against, and have their names.
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
  if (payload.files) {
    const { named, ...frame } = await nameFrame(base, payload);
    const { layers, ...facts } = await measurePatches(frame, payload, signal);
    return {
      ...facts,
      layers: layers.map((layer) => ({ ...layer, tensor: named.get(layer.tensor) as string })),
    };
  }
  return measurePatches(base, payload, signal);
}

/** A frame whose tensors have the quantisation of those that they are coded against, and names for them. */
async function nameFrame(
  base: WeightStore,
  payload: OpenPayload,
): Promise<WeightStore & { readonly named: ReadonlyMap<string, string> }> {
  const { store, record } = await openFrame(base, payload);
  const sources = canonicalOrder(base.tensors);
  const named = new Map<string, string>();
  const quantization = new Map<string, Quantization>();
  for (const [i, { name, source }] of record.tensors.entries()) {
    const from = source === undefined ? undefined : sources[source]?.name;
    named.set(name, from ?? `new tensor ${i}`);
    const found = from === undefined ? undefined : base.quantization?.get(from);
    if (found) quantization.set(name, found);
  }
  return { ...store, quantization, named };
}

async function measurePatches(
  base: WeightStore,
  payload: OpenPayload & { readonly payloadBytes: number },
  signal: AbortSignal | undefined,
): Promise<PayloadFacts> {
  const records = payload.records.map((_, place) => new TracedRecord(payload, place, base.tensors));
  const buffers = { before: new Uint8Array(CHUNK_BYTES), after: new Uint8Array(CHUNK_BYTES) };
  const layers = new Map<string, Omit<Layer, 'bytes'>>();
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
    for (const record of records) record.finish(info);
    layers.set(info.name, { ...describe(info), ...tally.result() });
  }
  const shares = records.map((record) => record.shares());
  const bytesOf = (name: string): number => shares.reduce((sum, share) => sum + (share.get(name) ?? 0), 0);
  const ordered = base.tensors.map(
    ({ name }): Layer => ({ ...(layers.get(name) as Omit<Layer, 'bytes'>), bytes: bytesOf(name) }),
  );
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
function kindsOf({ records, files }: OpenPayload): string[] {
  const sizes = new Map<string, number>(files ? [['files', files.length]] : []);
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
 * the previous tensor. Where small tensors share a segment of a delta record, each has a part of it by its
 * weights. Buckets shared by several tensors are not attributed.
 */
class TracedRecord {
  readonly #reader: DiffReader;
  readonly #kind: Op['kind'];
  readonly #source: CountingSource;
  /** The tensors whose bytes were read together, in order, and these bytes. */
  readonly #runs: { readonly infos: TensorInfo[]; readonly bytes: number }[] = [];
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

  /** Notes which bytes have been read when a tensor is complete. */
  finish(info: TensorInfo): void {
    if (!this.touches(info)) return;
    const bytes = this.#source.bytesRead - this.#taken;
    this.#taken = this.#source.bytesRead;
    const last = this.#runs.at(-1);
    if (bytes === 0 && last) last.infos.push(info);
    else this.#runs.push({ infos: [info], bytes });
  }

  /** @returns the bytes of each tensor, when all have been read */
  shares(): ReadonlyMap<string, number> {
    const [only, ...others] = this.#reader.touched;
    if (only !== undefined && others.length === 0) return new Map([[only, this.#source.length]]);
    if (this.#kind === 'hash') return new Map();
    return new Map(this.#runs.flatMap(({ infos, bytes }) => splitByWeights(infos, bytes)));
  }
}

/** Splits bytes among tensors in proportion to their weights. @returns whole numbers that sum to `bytes` */
function splitByWeights(infos: readonly TensorInfo[], bytes: number): [name: string, bytes: number][] {
  const total = Math.max(1, totalElements(infos));
  let [weights, given] = [0, 0];
  return infos.map((info, i): [string, number] => {
    weights += elementCount(info);
    const end = i === infos.length - 1 ? bytes : Math.round((bytes * weights) / total);
    const share = end - given;
    given = end;
    return [info.name, share];
  });
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
