import * as tf from '@tensorflow/tfjs';
import type { OnnxPort } from './graph.js';

type Run = (xs: readonly tf.Tensor[]) => tf.Tensor[];

/** Relative difference up to which results are the same. */
const TOLERANCE = 1e-3;

/**
 * Runs batches of other sizes through a graph whose inputs have a fixed one: in one run where that gives the
 * same results, else part by part. Many exporters fix the batch to 1 in the inputs alone, some in shapes
 * inside, too.
 */
export class FixedBatch {
  /** Examples per run by the file's words; undefined for any number. */
  readonly #size: number | undefined;
  #isSplit: boolean | undefined;

  constructor(inputs: readonly OnnxPort[]) {
    const sizes = new Set(inputs.map(({ shape }) => shape?.[0]).filter((size) => size !== undefined));
    const [size] = sizes;
    this.#size = sizes.size === 1 && size !== null ? size : undefined;
  }

  run(xs: readonly tf.Tensor[], run: Run): tf.Tensor[] {
    if (this.#fits(xs)) return run(xs);
    this.#isSplit ??= !this.#isSame(xs, run);
    return this.#isSplit ? this.#runParts(xs, run) : run(xs);
  }

  /** @returns the inputs of a single run of a batch that has been run before */
  first(xs: readonly tf.Tensor[]): readonly tf.Tensor[] {
    return this.#isSplit && !this.#fits(xs) ? this.#part(xs, 0) : xs;
  }

  #fits(xs: readonly tf.Tensor[]): boolean {
    return this.#size === undefined || xs.every(({ rank, shape }) => rank === 0 || shape[0] === this.#size);
  }

  #part(xs: readonly tf.Tensor[], start: number): tf.Tensor[] {
    return xs.map((x) => (x.rank === 0 ? x : tf.slice(x, start, this.#size)));
  }

  #runParts(xs: readonly tf.Tensor[], run: Run): tf.Tensor[] {
    const size = this.#size as number;
    const count = xs.find(({ rank }) => rank > 0)?.shape[0] ?? size;
    if (count % size !== 0)
      throw new RangeError(`Cannot run a batch of ${count}: the model takes ${size} examples`);
    const parts: tf.Tensor[][] = [];
    for (let start = 0; start < count; start += size) parts.push(run(this.#part(xs, start)));
    return (parts[0] ?? []).map((_, i) => tf.concat(parts.map((part) => part[i] as tf.Tensor)));
  }

  /** @returns whether one run of all examples is the same as runs of the size that the file has */
  #isSame(xs: readonly tf.Tensor[], run: Run): boolean {
    const expected = this.#runParts(xs, run);
    try {
      return run(xs).every((whole, i) => isClose(whole, expected[i] as tf.Tensor));
    } catch {
      return false;
    }
  }
}

function isClose(a: tf.Tensor, b: tf.Tensor): boolean {
  if (a.shape.join() !== b.shape.join()) return false;
  const [left, right] = [a, b].map((each) => Float32Array.from(each.dataSync())) as [
    Float32Array,
    Float32Array,
  ];
  const size = right.reduce((most, each) => Math.max(most, Math.abs(each)), 0);
  return left.every((each, i) => Math.abs(each - (right[i] as number)) <= TOLERANCE * size);
}
