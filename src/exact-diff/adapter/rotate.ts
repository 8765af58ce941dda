import type { Factors } from './factor.js';

/** Largest rank that is rotated: the work grows with its third power. */
const MOST_ROTATED = 256;

/** Directions below this share of the largest one are lost to rounding. */
const NOISE = 1e-13;

/** Sweeps over all pairs; 6 to 10 are enough. */
const MOST_SWEEPS = 30;

/**
 * Writes a product as its singular value decomposition: the same product, its ranks in order of what they
 * contribute, so that those that contribute less can be stored with fewer levels.
 *
 * @returns factors with orthonormal rows in `columns`; ranks without a contribution are left out
 */
export function rotate(factors: Factors): Factors {
  const { rank, height, width, rows, columns } = factors;
  if (rank > MOST_ROTATED) return factors;
  const ofRows = gram(rows, { rank, count: height, step: rank, next: 1 });
  const ofColumns = gram(columns, { rank, count: width, step: 1, next: width });
  // columns = Q Λ^½ × orthonormal rows; rows × Q Λ^½ has the singular values and the left vectors.
  const first = diagonalise(ofColumns, rank);
  const kept = first.values.filter((value) => value > NOISE * (first.values[0] as number)).length;
  if (kept === 0 || !first.values.every(Number.isFinite)) return factors;
  const half = Float64Array.from({ length: rank * kept }, (_, i) => {
    return (
      (first.vectors[Math.floor(i / kept) * rank + (i % kept)] as number) *
      Math.sqrt(first.values[i % kept] as number)
    );
  });
  const inner = multiply(turn(half, kept), multiply(ofRows, half, rank), rank);
  const second = diagonalise(inner, kept);
  const toRows = multiply(half, second.vectors, kept);
  const toColumns = Float64Array.from({ length: kept * rank }, (_, i) => {
    const [k, l] = [Math.floor(i / rank), i % rank];
    let sum = 0;
    for (let m = 0; m < kept; m++)
      sum +=
        ((second.vectors[m * kept + k] as number) * (half[l * kept + m] as number)) /
        (first.values[m] as number);
    return sum;
  });
  return {
    rank: kept,
    height,
    width,
    rows: multiply(rows, toRows, rank),
    columns: multiply(toColumns, columns, rank),
  };
}

/** @returns products of all pairs of vectors of a matrix, which begin `next` apart, elements `step` apart */
function gram(
  values: Float64Array,
  { rank, count, step, next }: { rank: number; count: number; step: number; next: number },
): Float64Array {
  const products = new Float64Array(rank * rank);
  for (let k = 0; k < rank; k++)
    for (let l = 0; l <= k; l++) {
      let sum = 0;
      for (let i = 0; i < count; i++)
        sum += (values[k * next + i * step] as number) * (values[l * next + i * step] as number);
      products[k * rank + l] = sum;
      products[l * rank + k] = sum;
    }
  return products;
}

/** @returns the product of two matrices; `inner` is the number of columns of the first */
function multiply(a: Float64Array, b: Float64Array, inner: number): Float64Array {
  const [height, width] = [a.length / inner, b.length / inner];
  const product = new Float64Array(height * width);
  for (let i = 0; i < height; i++)
    for (let k = 0; k < inner; k++) {
      const factor = a[i * inner + k] as number;
      for (let j = 0; j < width; j++)
        product[i * width + j] = (product[i * width + j] as number) + factor * (b[k * width + j] as number);
    }
  return product;
}

/** @returns a matrix of so many columns, transposed */
export function turn(values: Float32Array | Float64Array, columns: number): Float64Array {
  const rows = values.length / columns;
  const turned = new Float64Array(values.length);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) turned[j * rows + i] = values[i * columns + j] as number;
  return turned;
}

/**
 * Finds eigenvalues, the largest first, and eigenvectors, as columns, of a symmetric matrix.
 *
 * Source: C. G. J. Jacobi, 1846, with cyclic sweeps. Additions, products, divisions and roots alone, so that
 * every machine finds the same numbers.
 */
function diagonalise(matrix: Float64Array, size: number): { values: number[]; vectors: Float64Array } {
  const a = matrix.slice();
  const vectors = new Float64Array(size * size);
  for (let i = 0; i < size; i++) vectors[i * (size + 1)] = 1;
  for (let sweep = 0; sweep < MOST_SWEEPS; sweep++) {
    let isDone = true;
    for (let p = 0; p < size; p++)
      for (let q = p + 1; q < size; q++) {
        const off = a[p * size + q] as number;
        const [x, y] = [a[p * (size + 1)] as number, a[q * (size + 1)] as number];
        if (off * off <= 1e-32 * Math.abs(x * y)) continue;
        isDone = false;
        const theta = (y - x) / (2 * off);
        const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
        const c = 1 / Math.sqrt(t * t + 1);
        for (let i = 0; i < size; i++) mix(a, [i * size + p, i * size + q], { c, s: t * c });
        for (let i = 0; i < size; i++) mix(a, [p * size + i, q * size + i], { c, s: t * c });
        for (let i = 0; i < size; i++) mix(vectors, [i * size + p, i * size + q], { c, s: t * c });
      }
    if (isDone) break;
  }
  const order = Array.from({ length: size }, (_, i) => i).sort(
    (i, j) => (a[j * (size + 1)] as number) - (a[i * (size + 1)] as number) || i - j,
  );
  return {
    values: order.map((i) => a[i * (size + 1)] as number),
    vectors: Float64Array.from({ length: size * size }, (_, i) => {
      return vectors[Math.floor(i / size) * size + (order[i % size] as number)] as number;
    }),
  };
}

function mix(values: Float64Array, [i, j]: [number, number], { c, s }: { c: number; s: number }): void {
  const [x, y] = [values[i] as number, values[j] as number];
  values[i] = c * x - s * y;
  values[j] = s * x + c * y;
}
