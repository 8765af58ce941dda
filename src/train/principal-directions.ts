import { nthLargest } from './layout.js';
import { createRandom } from './random.js';

/** Iterations; directions that matter differ enough in strength to be found by then. */
const ITERATIONS = 12;

/** Rows that are looked at: those that differ the most from 0. */
const ROWS = 2 ** 12;

/** Least root mean square of a direction: weak ones are for what training finds beyond the full fine-tune. */
const LEAST = 0.3;

/**
 * Finds the directions along which the rows of a matrix differ from 0 the most, by orthogonal iteration.
 *
 * Source: G. H. Golub, C. F. Van Loan, "Matrix Computations", 4th edition, 2013, section 8.2.4.
 *
 * @param values [rows, columns]
 * @param options `columns` of the matrix; `rank`: how many directions, at most as many as it has columns
 * @returns [rank, columns], strongest first; the root mean square of the first is 1, that of each other its
 *   strength compared with it, 0.3 at least
 */
export function principalDirections(
  values: Float32Array,
  { columns, rank, seed }: { columns: number; rank: number; seed: number },
): Float32Array {
  const rows = largestRows(values, columns);
  const random = createRandom(seed);
  const start = Float32Array.from({ length: rank * columns }, () => 2 * random() - 1);
  let found = orthonormal(start, rank);
  let strengths = new Float64Array(rank);
  for (let i = 0; i < ITERATIONS; i++) {
    const next = projected(rows, found, rank);
    strengths = lengthsOf(next, rank).map(Math.sqrt);
    found = orthonormal(next, rank);
  }
  const [first] = strengths as unknown as [number];
  return found.map((value, i) => {
    const strength = (strengths[Math.floor(i / columns)] as number) / first;
    return value * Math.sqrt(columns) * Math.max(LEAST, Math.min(1, strength || 0));
  });
}

/** @returns the rows that are not 0, at most so many */
function largestRows(values: Float32Array, columns: number): Float32Array[] {
  const rows = Array.from({ length: values.length / columns }, (_, i) =>
    values.subarray(i * columns, (i + 1) * columns),
  );
  const sizes = Float32Array.from(rows, (row) => dot(row, row));
  const least = Math.max(nthLargest([sizes], Math.min(ROWS, sizes.length)), Number.MIN_VALUE);
  return rows.filter((_, i) => (sizes[i] as number) >= least);
}

/** @returns the vectors times the matrix of the rows' products */
function projected(rows: readonly Float32Array[], vectors: Float32Array, rank: number): Float32Array {
  const columns = vectors.length / rank;
  const sums = new Float32Array(vectors.length);
  for (const row of rows) {
    for (let k = 0; k < rank; k++) {
      const [from, to] = [k * columns, (k + 1) * columns];
      subtract(sums.subarray(from, to), row, -dot(row, vectors.subarray(from, to)));
    }
  }
  return sums;
}

function lengthsOf(vectors: Float32Array, rank: number): Float64Array {
  const width = vectors.length / rank;
  return Float64Array.from({ length: rank }, (_, k) => {
    const vector = vectors.subarray(k * width, (k + 1) * width);
    return Math.sqrt(dot(vector, vector));
  });
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

/** Makes vectors orthonormal in place by the modified Gram-Schmidt process; those that depend on others 0. */
function orthonormal(vectors: Float32Array, rank: number): Float32Array {
  const width = vectors.length / rank;
  const vector = (k: number) => vectors.subarray(k * width, (k + 1) * width);
  for (let k = 0; k < rank; k++) {
    const current = vector(k);
    const before = Math.sqrt(dot(current, current));
    for (let l = 0; l < k; l++) subtract(current, vector(l), dot(current, vector(l)));
    const length = Math.sqrt(dot(current, current));
    const factor = length > 1e-6 * before ? 1 / length : 0;
    for (let i = 0; i < width; i++) current[i] = (current[i] as number) * factor;
  }
  return vectors;
}

function subtract(from: Float32Array, vector: Float32Array, factor: number): void {
  for (let i = 0; i < from.length; i++) from[i] = (from[i] as number) - factor * (vector[i] as number);
}
