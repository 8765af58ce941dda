import { NeuralDiffError } from '../../model/errors.js';
import type { TensorInfo } from '../../model/tensor.js';
import type { LowRankOp } from '../../payload/diff.js';
import { MAX_SCALE, MAX_SPARSE_LEVEL } from '../../payload/limits.js';
import { roundScale } from '../../payload/record-head.js';

/** A change of a matrix as a product: `rows` × `columns`, in float64. */
export interface Factors {
  readonly rank: number;
  /** Number of rows and of columns of the product. */
  readonly height: number;
  readonly width: number;
  /** For each row its values of all ranks. */
  readonly rows: Float64Array;
  /** For each rank its values of all columns. */
  readonly columns: Float64Array;
}

/**
 * Writes a product with a rank above its rows or columns as one of that rank: of itself and the unit matrix.
 */
export function narrow(factors: Factors): Factors {
  const { rank, height, width } = factors;
  if (rank <= Math.min(height, width)) return factors;
  const product = new Float64Array(height * width);
  for (let row = 0; row < height; row++)
    addProduct(factors, row, product.subarray(row * width, (row + 1) * width));
  return height < width
    ? { rank: height, height, width, rows: unit(height), columns: product }
    : { rank: width, height, width, rows: product, columns: unit(width) };
}

function unit(size: number): Float64Array {
  const matrix = new Float64Array(size * size);
  for (let i = 0; i < size; i++) matrix[i * (size + 1)] = 1;
  return matrix;
}

/** Adds a row of a product to numbers that are there. */
export function addProduct({ rank, width, rows, columns }: Factors, row: number, sums: Float64Array): void {
  for (let k = 0; k < rank; k++) {
    const factor = rows[row * rank + k] as number;
    if (factor === 0) continue;
    for (let j = 0; j < width; j++)
      sums[j] = (sums[j] as number) + factor * (columns[k * width + j] as number);
  }
}

/** A rank of a product: a column of one factor and a row of the other. */
interface Rank {
  readonly row: Float64Array;
  readonly column: Float64Array;
  /** Largest magnitudes. */
  readonly mostRow: number;
  readonly mostColumn: number;
  /** Mean square of its part of the product. */
  readonly energy: number;
  /**
   * Mean square that rounding both sides to -1, 0 and 1 times their largest magnitudes would leave, if
   * rounding errors were spread evenly. With n times as many levels it is n^2 times less.
   */
  readonly noise: number;
}

/**
 * How precise levels are: of so many bits, their sign among them, in the rank that needs the most, or so that
 * the product is wrong by a root mean square.
 */
export type Precision = { readonly bits: number } | { readonly rms: number };

/**
 * Rounds both factors to levels. A rank has one scale, the product of the steps of its two sides; an error is
 * shared out evenly among the ranks.
 *
 * @param precision bits from 4 to 16, or the root mean square of the error of the product, as expected
 * @returns the op; undefined for a product without a value
 * @throws NeuralDiffError `bad-model` for values that are not numbers, or too large
 */
export function quantise(
  { name }: TensorInfo,
  split: number,
  { factors, precision }: { factors: Factors; precision: Precision },
): LowRankOp | undefined {
  const { height, width } = factors;
  const ranks = Array.from({ length: factors.rank }, (_, k) => rankOf(factors, k));
  if (ranks.some(({ mostRow, mostColumn }) => !(mostRow * mostColumn <= MAX_SCALE))) {
    const message = `Cannot import adapter: the values for tensor "${name}" are too large, or not numbers`;
    throw new NeuralDiffError('bad-model', message);
  }
  const share = errorShare(ranks, precision);
  const scaled = ranks
    .filter(({ energy }) => energy > share)
    .map((rank) => {
      const wanted = Math.sqrt(rank.noise / share);
      return { ...rank, ...stepsOf(rank, Math.min(MAX_SPARSE_LEVEL, Math.max(1, wanted))) };
    });
  const kept = scaled.filter(({ scale }) => scale > 0);
  if (kept.length === 0) return undefined;
  const rank = kept.length;
  const [rows, columns] = [new Int16Array(height * rank), new Int16Array(rank * width)];
  kept.forEach(({ row, column, rowStep, columnStep }, k) => {
    for (let i = 0; i < height; i++) rows[i * rank + k] = Math.round((row[i] as number) / rowStep);
    for (let j = 0; j < width; j++) columns[k * width + j] = Math.round((column[j] as number) / columnStep);
  });
  const scales = Float32Array.from(kept, ({ scale }) => scale);
  return { kind: 'low-rank', tensor: name, split, scales, columns, rows };
}

/** @returns the mean square that each rank may be wrong by; one that is less than that is left out */
function errorShare(ranks: readonly Rank[], precision: Precision): number {
  if ('rms' in precision) return precision.rms ** 2 / ranks.length;
  const top = 2 ** (precision.bits - 1) - 1;
  return ranks.reduce((most, { noise }) => Math.max(most, noise), 0) / top ** 2;
}

function rankOf({ rank, height, width, rows, columns }: Factors, k: number): Rank {
  const row = Float64Array.from({ length: height }, (_, i) => rows[i * rank + k] as number);
  const column = columns.subarray(k * width, (k + 1) * width);
  const [mostRow, mostColumn] = [largest(row), largest(column)];
  const noise = (mostRow ** 2 * meanSquare(column) + mostColumn ** 2 * meanSquare(row)) / 12;
  return { row, column, mostRow, mostColumn, energy: meanSquare(row) * meanSquare(column), noise };
}

/** @returns steps of both sides for levels up to `top`; their product is a scale, 0 for a rank of zeros */
function stepsOf({ mostRow, mostColumn }: Rank, top: number) {
  const columnStep = mostColumn / top;
  const exact = (mostRow / top) * columnStep;
  const truncated = roundScale(exact);
  // Rounded up, so that no level is above the largest one.
  const scale = truncated < exact ? roundScale(truncated * (1 + 2 ** -7)) : truncated;
  return { scale, rowStep: scale / columnStep, columnStep };
}

/** @returns the largest magnitude; NaN if one is no number */
function largest(values: Float64Array): number {
  return values.reduce((most, value) => (Math.abs(value) <= most ? most : Math.abs(value)), 0);
}

function meanSquare(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value * value, 0) / values.length;
}

/** @returns the root mean square of a product, without computing it: from the Gram matrices of its factors */
export function rmsOf({ rank, height, width, rows, columns }: Factors): number {
  let sum = 0;
  for (let k = 0; k < rank; k++)
    for (let l = 0; l <= k; l++) {
      let [ofRows, ofColumns] = [0, 0];
      for (let i = 0; i < height; i++)
        ofRows += (rows[i * rank + k] as number) * (rows[i * rank + l] as number);
      for (let j = 0; j < width; j++)
        ofColumns += (columns[k * width + j] as number) * (columns[l * width + j] as number);
      sum += (k === l ? 1 : 2) * ofRows * ofColumns;
    }
  return Math.sqrt(Math.max(0, sum) / (height * width));
}
