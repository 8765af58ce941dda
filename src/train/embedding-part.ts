import * as tf from '@tensorflow/tfjs';
import type { TensorInfo } from '../model/tensor.js';
import type { LowRankOp } from '../payload/diff.js';
import { nthLargest } from './layout.js';
import { createVariable, type DiffPart, readFloats, type TrainingShare, valuesOf } from './part.js';
import { bitsOfLevels, entropyOf, type ScaleOf } from './quantise.js';
import { createRandom } from './random.js';

/** Settings of an embedding part. */
export interface EmbeddingPartOptions {
  /** The table: a row for each index, of floats. */
  readonly info: TensorInfo;
  /** What each direction is at first, for each column: [rank, columns], root mean squares of 1 and below. */
  readonly directions: Float32Array;
  /** How much a change of a row along a direction matters, compared with others: [rows, rank]. */
  readonly importance: Float32Array;
  /** Expected size of the table's changes. */
  readonly size: number;
  /** Bits that the op may take. */
  readonly bits: number;
  readonly seed: number;
  readonly scaleOf: ScaleOf;
}

/** Magnitude of the random initial coefficients, which break the symmetry of the quantiser. */
const INITIAL_VALUE = 0.05;

/** From one level of a direction to the next, in root mean squares of the strongest direction at first. */
const STEP = 0.22;

/** Largest level of a direction. */
const MOST = 31;

/** Factor from parameters to directions: these have a size of their own, and move less than coefficients. */
const DIRECTION_GAIN = 0.5;

/** How far the number of changed coefficients may move in a step, to meet the bits. */
const CORRECTION = 0.01;

/**
 * Creates a part that moves rows of a table along a few directions that all rows share, each by 1, −1 or,
 * mostly, 0 times a scale. Rows that the training data never look up stay as they are; rows that are used
 * little need not move with rows that are used much. Coefficients and directions are trained together, with
 * rounding in the forward pass and a straight-through gradient. All products are of small integers, so that
 * their sums are exact in float32.
 */
export function createEmbeddingPart(options: EmbeddingPartOptions): DiffPart {
  return new EmbeddingPart(options);
}

class EmbeddingPart implements DiffPart {
  readonly tensors: readonly string[];
  readonly parameters: readonly tf.Variable[];
  readonly #options: EmbeddingPartOptions;
  readonly #rank: number;
  readonly #columns: number;
  readonly #rows: number;
  /** Changes of a coefficient of 1 along a level of 1. */
  readonly #unit: number;
  #coefficients: Float32Array;
  #directions: Float32Array;
  /** Coefficients that are not 0. */
  #kept: number;
  #levels: RoundedLevels;

  constructor(options: EmbeddingPartOptions) {
    const { info, directions, seed, size } = options;
    const [rows, columns] = info.shape as [number, number];
    this.#options = options;
    [this.#rows, this.#columns, this.#rank] = [rows, columns, directions.length / columns];
    this.#unit = size * STEP;
    this.tensors = [info.name];
    const random = createRandom(seed);
    const initial = () => (2 * random() - 1) * INITIAL_VALUE;
    this.#coefficients = Float32Array.from({ length: rows * this.#rank }, initial);
    this.#directions = new Float32Array(directions.length);
    this.parameters = [createVariable(this.#coefficients), createVariable(this.#directions)];
    this.#kept = countFor(options.bits, this.#coefficients.length);
    this.#levels = this.#round(0);
  }

  async advance(_progress: TrainingShare): Promise<void> {
    await this.read();
    const { rows, columns } = this.#levels;
    const left = this.#options.bits - bitsOfColumns(columns);
    const ratio = Math.max(left, 1) / Math.max(bitsOfLevels(rows), 1);
    const factor = Math.min(1 + CORRECTION, Math.max(1 - CORRECTION, ratio));
    this.#kept = Math.min(rows.length, Math.max(1, this.#kept * factor));
  }

  async read(): Promise<void> {
    const [coefficients, directions] = this.parameters as [tf.Variable, tf.Variable];
    [this.#coefficients, this.#directions] = await Promise.all([
      readFloats(coefficients),
      readFloats(directions),
    ]);
    this.#levels = this.#round(0);
  }

  materialise(weights: Parameters<DiffPart['materialise']>[0]) {
    const { name } = this.#options.info;
    const weight = valuesOf(weights, name);
    const change = tf.mul(tf.matMul(this.#rowTensor(), this.#columnTensor()), this.#levels.scale);
    return new Map([[name, tf.add(weight, tf.reshape(change, weight.shape))]]);
  }

  pullBack(gradients: Parameters<DiffPart['pullBack']>[0]): tf.Tensor[] {
    const { info, size } = this.#options;
    const gradient = tf.reshape(valuesOf(gradients, info.name), [this.#rows, this.#columns]) as tf.Tensor2D;
    const ofRows = tf.matMul(gradient, this.#columnTensor(), false, true);
    const ofColumns = tf.matMul(this.#rowTensor(), gradient, true);
    const mean = this.#levels.scale / this.#unit;
    return [
      tf.reshape(tf.mul(ofRows, this.#unit), [-1]),
      tf.reshape(tf.mul(ofColumns, DIRECTION_GAIN * size * mean), [-1]),
    ];
  }

  ops(extraZeros: number): LowRankOp[] {
    const { rows, columns, scale } = this.#round(extraZeros);
    if (extraZeros === 1 || rows.every((level) => level === 0)) return [];
    const scales = new Float32Array(this.#rank).fill(scale);
    return [{ kind: 'low-rank', tensor: this.#options.info.name, split: 1, scales, columns, rows }];
  }

  save(): number {
    return this.#kept;
  }

  restore(kept: number): void {
    this.#kept = kept;
  }

  describe() {
    return {};
  }

  dispose(): void {
    tf.dispose([...this.parameters]);
  }

  #rowTensor(): tf.Tensor2D {
    return tf.tensor2d(new Float32Array(this.#levels.rows), [this.#rows, this.#rank]);
  }

  #columnTensor(): tf.Tensor2D {
    return tf.tensor2d(new Float32Array(this.#levels.columns), [this.#rank, this.#columns]);
  }

  /** @param extraZeros share of the changed coefficients to leave out, the least important first */
  #round(extraZeros: number): RoundedLevels {
    const { info, importance, directions, scaleOf } = this.#options;
    const kept = Math.round(this.#kept * (1 - extraZeros));
    const { levels, mean } = roundLargest(this.#coefficients, importance, kept);
    const columns = new Int16Array(directions.length);
    for (let i = 0; i < columns.length; i++) {
      const value = (directions[i] as number) + DIRECTION_GAIN * (this.#directions[i] as number);
      columns[i] = Math.min(MOST, Math.max(-MOST, Math.round(value / STEP)));
    }
    return { rows: levels, columns, scale: scaleOf(info.name, mean * this.#unit) };
  }
}

/** Levels of an op, and its scale. */
interface RoundedLevels {
  readonly rows: Int16Array;
  readonly columns: Int16Array;
  readonly scale: number;
}

/**
 * Rounds the values that matter most to their signs, the others to 0.
 *
 * @param importance of each value, by which its magnitude is multiplied
 * @returns the levels, and the mean magnitude of the values that are not 0
 */
function roundLargest(
  values: Float32Array,
  importance: Float32Array,
  kept: number,
): { levels: Int16Array; mean: number } {
  const levels = new Int16Array(values.length);
  if (kept === 0) return { levels, mean: 1 };
  const worth = new Float32Array(values.length);
  for (let i = 0; i < worth.length; i++) worth[i] = Math.abs(values[i] as number) * (importance[i] as number);
  const least = Math.max(nthLargest([worth], kept), Number.MIN_VALUE);
  let sum = 0;
  let count = 0;
  for (let i = 0; i < worth.length; i++) {
    if ((worth[i] as number) < least) continue;
    levels[i] = (values[i] as number) < 0 ? -1 : 1;
    sum += Math.abs(values[i] as number);
    count++;
  }
  return { levels, mean: count === 0 ? 1 : sum / count };
}

/** @returns the bits of the directions, about */
function bitsOfColumns(columns: Int16Array): number {
  return columns.length * (entropyOf([columns]) + 0.2);
}

/** @returns how many of some coefficients take so many bits, if they are spread evenly */
function countFor(bits: number, length: number): number {
  let [low, high] = [0, 0.5];
  for (let i = 0; i < 30; i++) {
    const share = (low + high) / 2;
    const entropy = -share * Math.log2(share) - (1 - share) * Math.log2(1 - share);
    if ((entropy + share) * length > bits) high = share;
    else low = share;
  }
  return Math.max(1, low * length);
}
