import * as tf from '@tensorflow/tfjs';
import { isWebgpu } from '../tfjs/memory.js';
import type { OnnxPort } from './graph.js';

type Run = (xs: readonly tf.Tensor[]) => tf.Tensor[];

/** Relative difference up to which results are the same. */
const TOLERANCE = 1e-3;

/**
 * Runs batches of other sizes through a graph whose inputs have a fixed one: in one run where that gives the
 * same results, else part by part, the last one filled up with copies. Many exporters fix the batch to 1 in
 * the inputs alone, some in shapes inside, too.
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
    if (!isWebgpu()) this.#isSplit ??= !this.#isSame(xs, run);
    return (this.#isSplit ?? true) ? this.#runParts(xs, run) : run(xs);
  }

  /** Does the comparison on backends without synchronous reads; before, batches run part by part. */
  async choose(xs: readonly tf.Tensor[], run: Run): Promise<void> {
    if (!isWebgpu() || this.#isSplit !== undefined || this.#fits(xs)) return;
    const both = tf.tidy(() => this.#runBoth(xs, run));
    const pairs = both?.map(async ([whole, parts]) =>
      isClose([whole, await whole.data()], [parts, await parts.data()]),
    );
    const same = await Promise.all(pairs ?? [false]);
    tf.dispose(both?.flat() ?? []);
    this.#isSplit = !same.every(Boolean);
  }

  /** @returns the inputs of a single run of a batch that has been run before */
  first(xs: readonly tf.Tensor[]): readonly tf.Tensor[] {
    if (!(this.#isSplit ?? isWebgpu()) || this.#fits(xs)) return xs;
    const missing = Math.max(0, (this.#size as number) - (countOf(xs) ?? 0));
    return this.#part(fillUp(xs, missing), 0);
  }

  #fits(xs: readonly tf.Tensor[]): boolean {
    return this.#size === undefined || xs.every(({ rank, shape }) => rank === 0 || shape[0] === this.#size);
  }

  #part(xs: readonly tf.Tensor[], start: number): tf.Tensor[] {
    return xs.map((x) => (x.rank === 0 ? x : tf.slice(x, start, this.#size)));
  }

  #runParts(xs: readonly tf.Tensor[], run: Run): tf.Tensor[] {
    const size = this.#size as number;
    const count = countOf(xs) ?? size;
    const filled = Math.ceil(count / size) * size;
    const whole = fillUp(xs, filled - count);
    const parts: tf.Tensor[][] = [];
    for (let start = 0; start < filled; start += size) parts.push(run(this.#part(whole, start)));
    return (parts[0] ?? []).map((_, i) => {
      const joined = tf.concat(parts.map((part) => part[i] as tf.Tensor));
      return filled > count && joined.shape[0] === filled ? tf.slice(joined, 0, count) : joined;
    });
  }

  /** @returns whether one run of all examples is the same as runs of the size that the file has */
  #isSame(xs: readonly tf.Tensor[], run: Run): boolean {
    const both = this.#runBoth(xs, run);
    return both?.every(([a, b]) => isClose([a, a.dataSync()], [b, b.dataSync()])) ?? false;
  }

  /** @returns by output, the results of one run and of parts; undefined if one run fails */
  #runBoth(xs: readonly tf.Tensor[], run: Run): [tf.Tensor, tf.Tensor][] | undefined {
    const expected = this.#runParts(xs, run);
    try {
      return run(xs).map((whole, i) => [whole, expected[i] as tf.Tensor]);
    } catch {
      return undefined;
    }
  }
}

function countOf(xs: readonly tf.Tensor[]): number | undefined {
  return xs.find(({ rank }) => rank > 0)?.shape[0];
}

/** @returns the inputs with some more copies of their last example */
function fillUp(xs: readonly tf.Tensor[], count: number): readonly tf.Tensor[] {
  if (count === 0) return xs;
  return xs.map((x) => {
    if (x.rank === 0) return x;
    const last = tf.slice(x, (x.shape[0] as number) - 1, 1);
    return tf.concat([x, ...Array.from({ length: count }, () => last)]);
  });
}

type WithValues = readonly [tensor: tf.Tensor, values: tf.TypedArray];

function isClose([a, ofA]: WithValues, [b, ofB]: WithValues): boolean {
  if (a.shape.join() !== b.shape.join()) return false;
  const [left, right] = [Float32Array.from(ofA), Float32Array.from(ofB)];
  const size = right.reduce((most, each) => Math.max(most, Math.abs(each)), 0);
  return left.every((each, i) => Math.abs(each - (right[i] as number)) <= TOLERANCE * size);
}
