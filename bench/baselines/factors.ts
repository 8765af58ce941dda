import { Matrix, SingularValueDecomposition } from 'ml-matrix';
import { elementCount, type TensorInfo } from '../../src/model/tensor.js';
import { type Values, valuesOf } from '../../src/train/part.js';

/** A tensor as a matrix, and what a product of two thin matrices can be of it. */
export interface Decomposition {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  /** Falling. */
  readonly singularValues: readonly number[];
  readonly left: Matrix;
  readonly right: Matrix;
}

/** `left` (rows × rank) times `right` (rank × columns), both row-major. */
export interface Factors {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  readonly rank: number;
  readonly left: Float32Array;
  readonly right: Float32Array;
}

/**
 * @returns rows and columns of the matrix that a tensor's factors are smallest for: no weight changes its
 * place
 */
export function matrixShape(info: TensorInfo): { rows: number; columns: number } {
  const size = elementCount(info);
  const shapes = info.shape.slice(0, -1).map((_, axis) => {
    const rows = info.shape.slice(0, axis + 1).reduce((product, dimension) => product * dimension, 1);
    return { rows, columns: size / rows };
  });
  return shapes.reduce((best, shape) => {
    return shape.rows + shape.columns < best.rows + best.columns ? shape : best;
  });
}

/** Decomposes tensors, each as a matrix. */
export function decompose(tensors: readonly TensorInfo[], values: Values): Decomposition[] {
  return tensors.map((info) => {
    const { rows, columns } = matrixShape(info);
    const matrix = Matrix.from1DArray(rows, columns, valuesOf(values, info.name));
    const svd = new SingularValueDecomposition(matrix, { autoTranspose: true });
    const { leftSingularVectors: left, rightSingularVectors: right, diagonal } = svd;
    return { name: info.name, rows, columns, singularValues: diagonal, left, right };
  });
}

/** @returns one over the sum of a tensor's squares: shares of a tensor count, whatever its magnitude */
export function relativeImportance({ singularValues }: Decomposition): number {
  return 1 / singularValues.reduce((sum, value) => sum + value ** 2, Number.MIN_VALUE);
}

/** What ranks are chosen by. */
export interface RankOptions {
  /** What a tensor's squared error counts. */
  readonly importanceOf: (decomposition: Decomposition) => number;
  readonly budgetBits: number;
  /** Bits a number of a factor. */
  readonly bits: number;
  /** Bits that the first component of a tensor costs next to its numbers. */
  readonly tensorBits: number;
  /** Ranks that every tensor gets, whatever it gains. */
  readonly leastRank: 0 | 1;
}

/**
 * Shares ranks out: those components first that lower the loss most for their bits.
 *
 * @returns rank by tensor; undefined when the budget does not pay for one component, or for the least ranks
 */
export function chooseRanks(
  decompositions: readonly Decomposition[],
  options: RankOptions,
): Map<string, number> | undefined {
  const ranks = new Map<string, number>();
  let left = options.budgetBits;
  for (const { name, isFirst, numbers } of rankedComponents(decompositions, options)) {
    const rank = ranks.get(name) ?? 0;
    const cost = numbers * options.bits + (rank === 0 ? options.tensorBits : 0);
    const isMandatory = isFirst && options.leastRank === 1;
    if (isMandatory && cost > left) return undefined;
    if (cost > left) continue;
    ranks.set(name, rank + 1);
    left -= cost;
  }
  return ranks.size === 0 ? undefined : ranks;
}

function rankedComponents(
  decompositions: readonly Decomposition[],
  { importanceOf, leastRank }: RankOptions,
) {
  const components = decompositions.flatMap((decomposition) => {
    const { name, rows, columns, singularValues } = decomposition;
    const numbers = rows + columns;
    const importance = Math.max(importanceOf(decomposition), Number.MIN_VALUE) / numbers;
    return singularValues.map((value, i) => {
      const isFirst = i === 0;
      const gain = isFirst && leastRank === 1 ? Number.POSITIVE_INFINITY : importance * value ** 2;
      return { name, numbers, isFirst, gain };
    });
  });
  return components.sort((a, b) => (a.gain === b.gain ? 0 : b.gain - a.gain));
}

/** @returns the best factors of some rank, the singular values shared by both halves; none for rank 0 */
export function truncate(decomposition: Decomposition, rank: number): Factors[] {
  if (rank === 0) return [];
  const { name, rows, columns, singularValues, left, right } = decomposition;
  const root = (k: number) => Math.sqrt(singularValues[k] as number);
  const tall = Float32Array.from({ length: rows * rank }, (_, i) => {
    return left.get(Math.floor(i / rank), i % rank) * root(i % rank);
  });
  const wide = Float32Array.from({ length: rank * columns }, (_, i) => {
    const k = Math.floor(i / columns);
    return right.get(i % columns, k) * root(k);
  });
  return [{ name, rows, columns, rank, left: tall, right: wide }];
}
