import { clear, floatAt, multiplyAdd } from './vectors';

/**
 * Rows summed before they are added to the total: short sums are more accurate, and their rows stay in the
 * cache.
 */
const CHUNK_ROWS: i32 = 64;

/**
 * Sums down the rows of a matrix, times a factor.
 *
 * @param x [rows, columns]
 * @param sums [columns]
 */
export function sumRows(x: usize, rows: i32, columns: i32, factor: f32, sums: usize): void {
  clear(sums, columns);
  const stride = (<usize>columns) << 2;
  for (let row = 0; row < rows; row += CHUNK_ROWS) {
    const start = floatAt(x, row * columns);
    const end = start + (<usize>min(CHUNK_ROWS, rows - row)) * stride;
    let j = 0;
    for (; j + 4 <= columns; j += 4) addColumns(floatAt(start, j), floatAt(end, j), stride, floatAt(sums, j));
    for (; j < columns; j++) addColumn(floatAt(start, j), floatAt(end, j), stride, floatAt(sums, j));
  }
  for (let j = 0; j < columns; j++) store<f32>(floatAt(sums, j), load<f32>(floatAt(sums, j)) * factor);
}

/** Four sums of four rows at a time, so that no addition waits for the previous one. */
@inline
function addColumns(at: usize, end: usize, stride: usize, sums: usize): void {
  let a = f32x4.splat(0), b = a, c = a, d = a;
  for (; at + 3 * stride < end; at += 4 * stride) {
    a = f32x4.add(a, v128.load(at));
    b = f32x4.add(b, v128.load(at + stride));
    c = f32x4.add(c, v128.load(at + 2 * stride));
    d = f32x4.add(d, v128.load(at + 3 * stride));
  }
  for (; at < end; at += stride) a = f32x4.add(a, v128.load(at));
  v128.store(sums, f32x4.add(v128.load(sums), f32x4.add(f32x4.add(a, b), f32x4.add(c, d))));
}

@inline
function addColumn(at: usize, end: usize, stride: usize, sums: usize): void {
  let sum: f32 = 0;
  for (; at < end; at += stride) sum += load<f32>(at);
  store<f32>(sums, load<f32>(sums) + sum);
}

/**
 * Sums of `a * (x - mean)` down the rows: a variance for `a = x - mean`, the gradient of a scale for an
 * output gradient.
 *
 * @param a [rows, columns], or 0 for `x - mean` itself
 * @param x [rows, columns]
 * @param mean [columns]
 * @param sums [columns]
 */
export function sumDeviations(a: usize, x: usize, mean: usize, rows: i32, columns: i32, factor: f32, sums: usize): void {
  clear(sums, columns);
  const stride = (<usize>columns) << 2;
  for (let row = 0; row < rows; row += CHUNK_ROWS) {
    const count = min(CHUNK_ROWS, rows - row);
    const first = row * columns;
    for (let j = 0; j < columns; j += 4) {
      const weights = a ? floatAt(a, first + j) : 0;
      const values = floatAt(x, first + j);
      if (j + 4 <= columns) addDeviations(weights, values, count, stride, floatAt(mean, j), floatAt(sums, j));
      else addDeviationTail(weights, values, count, stride, floatAt(mean, j), floatAt(sums, j), columns - j);
    }
  }
  for (let j = 0; j < columns; j++) store<f32>(floatAt(sums, j), load<f32>(floatAt(sums, j)) * factor);
}

@inline
function addDeviations(a: usize, x: usize, rows: i32, stride: usize, mean: usize, sums: usize): void {
  const means = v128.load(mean);
  let even = f32x4.splat(0), odd = even;
  let row = 0;
  for (; row + 2 <= rows; row += 2, x += 2 * stride) {
    const first = f32x4.sub(v128.load(x), means);
    const second = f32x4.sub(v128.load(x + stride), means);
    even = multiplyAdd(a ? v128.load(a) : first, first, even);
    odd = multiplyAdd(a ? v128.load(a + stride) : second, second, odd);
    if (a) a += 2 * stride;
  }
  if (row < rows) {
    const last = f32x4.sub(v128.load(x), means);
    even = multiplyAdd(a ? v128.load(a) : last, last, even);
  }
  v128.store(sums, f32x4.add(v128.load(sums), f32x4.add(even, odd)));
}

function addDeviationTail(
  a: usize,
  x: usize,
  rows: i32,
  stride: usize,
  mean: usize,
  sums: usize,
  columns: i32,
): void {
  for (let j = 0; j < columns; j++, x += 4, mean += 4, sums += 4) {
    let sum: f32 = 0;
    let offset: usize = 0;
    for (let row = 0; row < rows; row++, offset += stride) {
      const deviation = load<f32>(x + offset) - load<f32>(mean);
      sum += (a ? load<f32>(a + offset) : deviation) * deviation;
    }
    if (a) a += 4;
    store<f32>(sums, load<f32>(sums) + sum);
  }
}

/**
 * `y = (x - mean) * factor + offset`, by column: a batch norm.
 *
 * @param x [rows, columns]
 * @param mean, factor, offset [columns]
 * @param y [rows, columns]
 */
export function normalise(
  x: usize,
  mean: usize,
  factor: usize,
  offset: usize,
  rows: i32,
  columns: i32,
  y: usize,
): void {
  const end = (<usize>columns) << 2;
  for (let row = 0; row < rows; row++, x += end, y += end) {
    let at: usize = 0;
    for (; at + 16 <= end; at += 16) {
      const deviation = f32x4.sub(v128.load(x + at), v128.load(mean + at));
      v128.store(y + at, multiplyAdd(deviation, v128.load(factor + at), v128.load(offset + at)));
    }
    for (; at < end; at += 4) {
      const deviation = load<f32>(x + at) - load<f32>(mean + at);
      store<f32>(y + at, load<f32>(offset + at) + deviation * load<f32>(factor + at));
    }
  }
}

/**
 * `dx = dy * factor + (x - mean) * slope + offset`, by column: the gradient of a batch norm with respect to
 * its input.
 *
 * @param dy, x [rows, columns]
 * @param mean, factor, slope, offset [columns]
 * @param dx [rows, columns]
 */
export function normaliseGradient(
  dy: usize,
  x: usize,
  mean: usize,
  factor: usize,
  slope: usize,
  offset: usize,
  rows: i32,
  columns: i32,
  dx: usize,
): void {
  const end = (<usize>columns) << 2;
  for (let row = 0; row < rows; row++, dy += end, x += end, dx += end) {
    let at: usize = 0;
    for (; at + 16 <= end; at += 16) {
      const deviation = f32x4.sub(v128.load(x + at), v128.load(mean + at));
      const shift = multiplyAdd(deviation, v128.load(slope + at), v128.load(offset + at));
      v128.store(dx + at, multiplyAdd(v128.load(dy + at), v128.load(factor + at), shift));
    }
    for (; at < end; at += 4) {
      const deviation = load<f32>(x + at) - load<f32>(mean + at);
      const shift = load<f32>(offset + at) + deviation * load<f32>(slope + at);
      store<f32>(dx + at, shift + load<f32>(dy + at) * load<f32>(factor + at));
    }
  }
}

/** `y = x * factor` by column. */
export function scaleColumns(x: usize, factor: usize, rows: i32, columns: i32, y: usize): void {
  const end = (<usize>columns) << 2;
  for (let row = 0; row < rows; row++, x += end, y += end) {
    let at: usize = 0;
    for (; at + 16 <= end; at += 16) v128.store(y + at, f32x4.mul(v128.load(x + at), v128.load(factor + at)));
    for (; at < end; at += 4) store<f32>(y + at, load<f32>(x + at) * load<f32>(factor + at));
  }
}
