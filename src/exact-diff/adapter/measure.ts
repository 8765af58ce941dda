import { joinDigests, sha256, TensorDigest } from '../../model/fingerprint.js';
import { floatsOf, HALVES } from '../../model/float16.js';
import { CHUNK_BYTES } from '../../model/limits.js';
import type { WeightStore } from '../../model/store.js';
import { byteLength, canonicalOrder, type TensorInfo, wordBytes } from '../../model/tensor.js';
import { Yielder } from '../../model/yielder.js';
import type { Op } from '../../payload/diff.js';
import { patchRange } from '../../payload/patch.js';
import { addProduct, type Factors } from './factor.js';

/** A tensor that an adapter changes by a product: how near it comes to the sum of both in float64. */
export interface ImportedTensor {
  readonly tensor: string;
  /** Rank of the adapter's product. */
  readonly rank: number;
  /** Root mean square of the difference between result and that sum, over that of the product. */
  readonly error: number;
  /** The same for the sum rounded to the dtype: what any merge loses. */
  readonly rounding: number;
  /** Differences from the rounded sum: largest and mean magnitude, share of the elements that have one. */
  readonly maxDifference: number;
  readonly meanDifference: number;
  readonly differing: number;
}

/** What ops make of a base. */
export interface Measured {
  /** Fingerprints, as hexadecimal strings. */
  readonly base: string;
  readonly next: string;
  /** Those with factors, in canonical order. */
  readonly tensors: readonly ImportedTensor[];
}

/** Elements patched and compared between two chances to yield. */
const RUN_ELEMENTS = 2 ** 13;

/** Ops on a base, the products that they stand for, and how to follow the work. */
interface MeasureJob {
  readonly ops: readonly Op[];
  readonly factors: ReadonlyMap<string, Factors>;
  readonly signal?: AbortSignal | undefined;
  readonly onBytes: (bytes: number) => void;
}

/** Applies ops to a model chunk by chunk, writing nothing. */
export async function measure(base: WeightStore, job: MeasureJob): Promise<Measured> {
  const yielder = new Yielder(job.signal);
  const buffer = new Uint8Array(CHUNK_BYTES);
  const digests: { base: Uint8Array; next: Uint8Array }[] = [];
  const tensors: ImportedTensor[] = [];
  for (const info of canonicalOrder(base.tensors)) {
    const touching = job.ops.filter((op) => op.kind !== 'hash' && op.tensor === info.name);
    const [replaced, products] = [false, true].map((isProduct) =>
      touching.filter(({ kind }) => (kind === 'low-rank') === isProduct),
    ) as [Op[], Op[]];
    const factors = job.factors.get(info.name);
    const tally = factors && new ErrorTally(info, factors);
    const isTouched = tally !== undefined || touching.length > 0;
    const [before, after] = [new TensorDigest(info, sha256), new TensorDigest(info, sha256)];
    for (let offset = 0; offset < byteLength(info); offset += CHUNK_BYTES) {
      const chunk = buffer.subarray(0, Math.min(CHUNK_BYTES, byteLength(info) - offset));
      await base.readInto(info.name, offset, chunk);
      const hashed = before.add(chunk.slice());
      const size = RUN_ELEMENTS * wordBytes(info);
      for (let start = 0; isTouched && start < chunk.length; start += size) {
        const bytes = chunk.subarray(start, start + size);
        const startElement = (offset + start) / wordBytes(info);
        patchRange(replaced, info, { startElement, bytes });
        const merged = bytes.slice();
        patchRange(products, info, { startElement, bytes });
        tally?.add(startElement, { before: merged, after: bytes });
        await yielder.tick();
      }
      await Promise.all([hashed, after.add(chunk)]);
      job.onBytes(chunk.length);
    }
    digests.push({ base: await before.finish(), next: await after.finish() });
    if (tally) tensors.push(tally.finish());
  }
  const join = (of: 'base' | 'next') =>
    joinDigests(
      digests.map((digest) => digest[of]),
      sha256,
    );
  return { base: await join('base'), next: await join('next'), tensors };
}

/** Compares a patched tensor, run by run, with the sum in float64. */
class ErrorTally {
  readonly #info: TensorInfo;
  readonly #factors: Factors;
  #count = 0;
  #change = 0;
  #error = 0;
  #rounding = 0;
  #largest = 0;
  #sum = 0;
  #differing = 0;

  constructor(info: TensorInfo, factors: Factors) {
    this.#info = info;
    this.#factors = factors;
  }

  add(start: number, run: { before: Uint8Array; after: Uint8Array }): void {
    const { dtype } = this.#info;
    const [from, to] = [floatsOf({ dtype, bytes: run.before }), floatsOf({ dtype, bytes: run.after })];
    const { width } = this.#factors;
    const round = dtype === 'float32' ? Math.fround : rounderOf(dtype as keyof typeof HALVES);
    for (let i = 0; i < from.length; ) {
      const row = Math.floor((start + i) / width);
      const first = start + i - row * width;
      const end = Math.min(from.length, i + width - first);
      const products = new Float64Array(width);
      addProduct(this.#factors, row, products);
      for (; i < end; i++) {
        const product = products[start + i - row * width] as number;
        const exact = (from[i] as number) + product;
        this.#one(product, { exact, rounded: round(exact), found: to[i] as number });
      }
    }
  }

  #one(product: number, { exact, rounded, found }: { exact: number; rounded: number; found: number }): void {
    const difference = Math.abs(found - rounded);
    this.#count++;
    this.#change += product ** 2;
    this.#error += (found - exact) ** 2;
    this.#rounding += (rounded - exact) ** 2;
    this.#largest = Math.max(this.#largest, difference);
    this.#sum += difference;
    if (difference !== 0) this.#differing++;
  }

  finish(): ImportedTensor {
    const change = this.#change || 1;
    return {
      tensor: this.#info.name,
      rank: this.#factors.rank,
      error: Math.sqrt(this.#error / change),
      rounding: Math.sqrt(this.#rounding / change),
      maxDifference: this.#largest,
      meanDifference: this.#sum / this.#count,
      differing: this.#differing / this.#count,
    };
  }
}

function rounderOf(dtype: keyof typeof HALVES): (value: number) => number {
  const { widen, narrow } = HALVES[dtype];
  return (value) => widen(narrow(Math.fround(value)));
}
