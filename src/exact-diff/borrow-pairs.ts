import { byteLength, CHUNK_BYTES, type TensorInfo, type WeightStore } from '../model/index.js';

/** Two models that have the same tensors. */
export interface StorePair {
  readonly base: WeightStore;
  readonly next: WeightStore;
}

/** A run of a tensor's bytes in both models; the arrays are valid until the next pair. */
export interface BytePair {
  readonly byteOffset: number;
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

/** Reads tensors of two models, a chunk of each at a time. */
export class PairReader {
  readonly #stores: StorePair;
  readonly #before: Uint8Array;
  readonly #after: Uint8Array;

  /** @param runBytes the longest run */
  constructor(stores: StorePair, runBytes = CHUNK_BYTES) {
    this.#stores = stores;
    this.#before = new Uint8Array(runBytes);
    this.#after = new Uint8Array(runBytes);
  }

  /** @returns a run of at most as many bytes as were asked for */
  async borrow({ name }: TensorInfo, run: { start: number; end: number }): Promise<BytePair> {
    const length = run.end - run.start;
    const [before, after] = [this.#before.subarray(0, length), this.#after.subarray(0, length)];
    await Promise.all([
      this.#stores.base.readInto(name, run.start, before),
      this.#stores.next.readInto(name, run.start, after),
    ]);
    return { byteOffset: run.start, before, after };
  }

  /** Goes through a tensor; one without elements has no pairs. */
  async *walk(info: TensorInfo, signal?: AbortSignal): AsyncGenerator<BytePair> {
    const total = byteLength(info);
    const step = this.#before.length;
    for (let start = 0; start < total; start += step) {
      signal?.throwIfAborted();
      yield await this.borrow(info, { start, end: Math.min(start + step, total) });
    }
  }
}
