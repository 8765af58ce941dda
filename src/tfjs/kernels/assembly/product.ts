import { clear, multiplyAdd } from './vectors';

/** Columns of a panel: one row of its sums fits two registers. */
const PANEL: i32 = 8;

/** Steps of a block: a packed panel of this many is 8 KiB. */
const BLOCK_STEPS: i32 = 256;

/** Columns of a block: with the steps above, the packed block is 256 KiB. */
const BLOCK_COLUMNS: i32 = 256;

/** Rows of the first operand that stay in the cache while all panels of a block are processed. */
const BLOCK_ROWS: i32 = 64;

/** Bytes of scratch that `product` needs. */
export function productScratch(): i32 {
  return BLOCK_STEPS * BLOCK_COLUMNS * 4;
}

/**
 * `c = a * b`, or `c += a * b`, of float32 matrices.
 *
 * Source: K. Goto, R. van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008, for packed
 * panels and blocks.
 *
 * @param m rows of a and c
 * @param n columns of b and c
 * @param k steps: columns of a, rows of b
 * @param a element (i, s) at `i * aRow + s * aStep` floats
 * @param b element (s, j) at `s * bStep + j * bColumn` floats; one of the strides is 1
 * @param c element (i, j) at `i * cRow + j` floats
 * @param isAdded whether to add to the existing values of c
 * @param scratch `productScratch()` bytes
 */
export function product(
  m: i32,
  n: i32,
  k: i32,
  a: usize,
  aRow: i32,
  aStep: i32,
  b: usize,
  bStep: i32,
  bColumn: i32,
  c: usize,
  cRow: i32,
  isAdded: i32,
  scratch: usize,
): void {
  if (k == 0 && !isAdded) {
    for (let i = 0; i < m; i++) clear(c + ((<usize>(i * cRow)) << 2), n);
  }
  for (let j = 0; j < n; j += BLOCK_COLUMNS) {
    const columns = min(BLOCK_COLUMNS, n - j);
    for (let s = 0; s < k; s += BLOCK_STEPS) {
      const steps = min(BLOCK_STEPS, k - s);
      const corner = b + ((<usize>(s * bStep + j * bColumn)) << 2);
      if (bColumn == 1) packRows(corner, bStep, steps, columns, scratch);
      else packColumns(corner, bColumn, steps, columns, scratch);
      for (let i = 0; i < m; i += BLOCK_ROWS) {
        const rows = min(BLOCK_ROWS, m - i);
        const left = a + ((<usize>(i * aRow + s * aStep)) << 2);
        const out = c + ((<usize>(i * cRow + j)) << 2);
        multiplyBlock(rows, columns, steps, left, aRow, aStep, scratch, out, cRow, isAdded | i32(s > 0));
      }
    }
  }
}

/** Packs rows of b into panels [steps, 8], padded with columns of zeros. */
function packRows(b: usize, bStep: i32, steps: i32, columns: i32, packed: usize): void {
  const stride = (<usize>bStep) << 2;
  for (let j = 0; j < columns; j += PANEL) {
    let source = b + ((<usize>j) << 2);
    const width = columns - j;
    if (width >= PANEL) {
      for (let s = 0; s < steps; s++, source += stride, packed += 32) {
        v128.store(packed, v128.load(source));
        v128.store(packed, v128.load(source, 16), 16);
      }
    } else {
      for (let s = 0; s < steps; s++, source += stride, packed += 32) {
        for (let q = 0; q < PANEL; q++) {
          store<f32>(packed + (q << 2), q < width ? load<f32>(source + (q << 2)) : 0);
        }
      }
    }
  }
}

/** Packs columns of b, each contiguous, into the same panels. */
function packColumns(b: usize, bColumn: i32, steps: i32, columns: i32, packed: usize): void {
  const stride = (<usize>bColumn) << 2;
  for (let j = 0; j < columns; j += PANEL) {
    const source = b + (<usize>j) * stride;
    const width = columns - j;
    let s = 0;
    if (width >= PANEL) {
      for (; s + 4 <= steps; s += 4) {
        const at = source + ((<usize>s) << 2);
        packSquare(at, stride, packed);
        packSquare(at + 4 * stride, stride, packed + 16);
        packed += 128;
      }
    }
    for (; s < steps; s++, packed += 32) {
      const at = source + ((<usize>s) << 2);
      for (let q = 0; q < PANEL; q++) {
        store<f32>(packed + (q << 2), q < width ? load<f32>(at + (<usize>q) * stride) : 0);
      }
    }
  }
}

/** Transposes four steps of four columns. */
@inline
function packSquare(source: usize, stride: usize, packed: usize): void {
  const p = v128.load(source);
  const q = v128.load(source + stride);
  const r = v128.load(source + 2 * stride);
  const s = v128.load(source + 3 * stride);
  const pq = v128.shuffle<i32>(p, q, 0, 4, 1, 5);
  const rs = v128.shuffle<i32>(r, s, 0, 4, 1, 5);
  const pqHigh = v128.shuffle<i32>(p, q, 2, 6, 3, 7);
  const rsHigh = v128.shuffle<i32>(r, s, 2, 6, 3, 7);
  v128.store(packed, v128.shuffle<i64>(pq, rs, 0, 2));
  v128.store(packed, v128.shuffle<i64>(pq, rs, 1, 3), 32);
  v128.store(packed, v128.shuffle<i64>(pqHigh, rsHigh, 0, 2), 64);
  v128.store(packed, v128.shuffle<i64>(pqHigh, rsHigh, 1, 3), 96);
}

/**
 * Rows of a block times packed panels: four rows and eight columns of sums at a time are kept in registers.
 */
function multiplyBlock(
  rows: i32,
  columns: i32,
  steps: i32,
  a: usize,
  aRow: i32,
  aStep: i32,
  packed: usize,
  c: usize,
  cRow: i32,
  isAdded: i32,
): void {
  const rowBytes = (<usize>aRow) << 2;
  const stepBytes = (<usize>aStep) << 2;
  const outBytes = (<usize>cRow) << 2;
  for (let j = 0; j < columns; j += PANEL) {
    const width = min(PANEL, columns - j);
    let left = a;
    let out = c + ((<usize>j) << 2);
    let i = 0;
    for (; i + 4 <= rows; i += 4) {
      multiplyFourRows(steps, left, rowBytes, stepBytes, packed, out, outBytes, width, isAdded);
      left += 4 * rowBytes;
      out += 4 * outBytes;
    }
    for (; i < rows; i++) {
      multiplyRow(steps, left, stepBytes, packed, out, width, isAdded);
      left += rowBytes;
      out += outBytes;
    }
    packed += (<usize>steps) << 5;
  }
}

function multiplyFourRows(
  steps: i32,
  a0: usize,
  rowBytes: usize,
  stepBytes: usize,
  packed: usize,
  out: usize,
  outBytes: usize,
  width: i32,
  isAdded: i32,
): void {
  let a1 = a0 + rowBytes;
  let a2 = a1 + rowBytes;
  let a3 = a2 + rowBytes;
  let c00 = f32x4.splat(0), c01 = c00, c10 = c00, c11 = c00;
  let c20 = c00, c21 = c00, c30 = c00, c31 = c00;
  for (let s = 0; s < steps; s++) {
    const b0 = v128.load(packed);
    const b1 = v128.load(packed, 16);
    let x = v128.load32_splat(a0);
    c00 = multiplyAdd(x, b0, c00);
    c01 = multiplyAdd(x, b1, c01);
    x = v128.load32_splat(a1);
    c10 = multiplyAdd(x, b0, c10);
    c11 = multiplyAdd(x, b1, c11);
    x = v128.load32_splat(a2);
    c20 = multiplyAdd(x, b0, c20);
    c21 = multiplyAdd(x, b1, c21);
    x = v128.load32_splat(a3);
    c30 = multiplyAdd(x, b0, c30);
    c31 = multiplyAdd(x, b1, c31);
    packed += 32;
    a0 += stepBytes;
    a1 += stepBytes;
    a2 += stepBytes;
    a3 += stepBytes;
  }
  put(out, c00, c01, width, isAdded);
  put(out + outBytes, c10, c11, width, isAdded);
  put(out + 2 * outBytes, c20, c21, width, isAdded);
  put(out + 3 * outBytes, c30, c31, width, isAdded);
}

function multiplyRow(
  steps: i32,
  a: usize,
  stepBytes: usize,
  packed: usize,
  out: usize,
  width: i32,
  isAdded: i32,
): void {
  let low = f32x4.splat(0), high = low;
  for (let s = 0; s < steps; s++) {
    const x = v128.load32_splat(a);
    low = multiplyAdd(x, v128.load(packed), low);
    high = multiplyAdd(x, v128.load(packed, 16), high);
    packed += 32;
    a += stepBytes;
  }
  put(out, low, high, width, isAdded);
}

/** Stores the first `width` of eight sums, or adds them to the existing values. */
@inline
function put(out: usize, low: v128, high: v128, width: i32, isAdded: i32): void {
  if (width != PANEL) putPart(out, low, high, width, isAdded);
  else if (isAdded) {
    v128.store(out, f32x4.add(v128.load(out), low));
    v128.store(out, f32x4.add(v128.load(out, 16), high), 16);
  } else {
    v128.store(out, low);
    v128.store(out, high, 16);
  }
}

function putPart(out: usize, low: v128, high: v128, width: i32, isAdded: i32): void {
  if (width >= 4) {
    v128.store(out, isAdded ? f32x4.add(v128.load(out), low) : low);
    putLanes(out + 16, high, width - 4, isAdded);
  } else putLanes(out, low, width, isAdded);
}

function putLanes(out: usize, x: v128, width: i32, isAdded: i32): void {
  if (width > 0) putLane(out, f32x4.extract_lane(x, 0), isAdded);
  if (width > 1) putLane(out + 4, f32x4.extract_lane(x, 1), isAdded);
  if (width > 2) putLane(out + 8, f32x4.extract_lane(x, 2), isAdded);
}

@inline
function putLane(out: usize, x: f32, isAdded: i32): void {
  store<f32>(out, isAdded ? load<f32>(out) + x : x);
}
