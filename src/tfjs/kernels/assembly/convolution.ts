import { Geometry, imageFloatsOf, tapsOf } from './geometry';
import { product } from './product';
import { addFloats, clear, copyFloats, floatAt } from './vectors';

/**
 * A convolution: patches times the filter.
 *
 * @param x input [batch, inHeight, inWidth, inChannels]
 * @param w filter [filterHeight, filterWidth, inChannels, outChannels]
 * @param bias [outChannels], or 0
 * @param isRectified whether negative outputs become 0
 * @param y output
 * @param patches floats for the patches of `chunk` rows of output pixels, or 0 for a pointwise filter, which
 *   needs none
 * @param scratch `productScratch()` bytes
 */
export function convForward(
  g: Geometry,
  x: usize,
  w: usize,
  bias: usize,
  isRectified: i32,
  y: usize,
  patches: usize,
  chunk: i32,
  scratch: usize,
): void {
  const taps = tapsOf(g);
  const channels = g.outChannels;
  const rows = g.batch * g.outHeight;
  for (let row = 0; row < rows; row += chunk) {
    const end = min(row + chunk, rows);
    const pixels = (end - row) * g.outWidth;
    const out = floatAt(y, row * g.outWidth * channels);
    if (patches) cutPatches(g, x, row, end, patches);
    if (bias) {
      for (let pixel = 0; pixel < pixels; pixel++) copyFloats(floatAt(out, pixel * channels), bias, channels);
    }
    const seen = patches ? patches : floatAt(x, row * g.outWidth * taps);
    product(pixels, channels, taps, seen, taps, 1, w, channels, 1, out, channels, i32(bias != 0), scratch);
    if (isRectified) rectify(out, pixels * channels);
  }
}

function rectify(y: usize, count: i32): void {
  const end = floatAt(y, count);
  for (; y + 16 <= end; y += 16) v128.store(y, f32x4.pmax(v128.load(y), f32x4.splat(0)));
  for (; y < end; y += 4) if (load<f32>(y) < 0) store<f32>(y, 0);
}

/**
 * Gradient of a convolution with respect to its filter: the input patches (im2col) times the output gradient.
 *
 * @param x input [batch, inHeight, inWidth, inChannels]
 * @param dy gradient with respect to the output
 * @param dw gradient with respect to the filter [filterHeight, filterWidth, inChannels, outChannels]
 * @param patches floats for the patches of `chunk` rows of output pixels
 * @param scratch `productScratch()` bytes
 */
export function convFilterGradient(
  g: Geometry,
  x: usize,
  dy: usize,
  dw: usize,
  patches: usize,
  chunk: i32,
  scratch: usize,
): void {
  const taps = tapsOf(g);
  const channels = g.outChannels;
  const rows = g.batch * g.outHeight;
  if (rows == 0) clear(dw, taps * channels);
  for (let row = 0; row < rows; row += chunk) {
    const end = min(row + chunk, rows);
    const pixels = (end - row) * g.outWidth;
    const gradients = floatAt(dy, row * g.outWidth * channels);
    cutPatches(g, x, row, end, patches);
    product(taps, channels, pixels, patches, 1, taps, gradients, channels, 1, dw, channels, i32(row > 0), scratch);
  }
}

/**
 * Gradient of a convolution with respect to its input: the gradients of patches, added at their positions
 * (col2im).
 *
 * @param w filter [filterHeight, filterWidth, inChannels, outChannels]
 * @param dx gradient with respect to the input
 * @param patches floats for the patches of `chunk` rows of output pixels
 */
export function convInputGradient(
  g: Geometry,
  dy: usize,
  w: usize,
  dx: usize,
  patches: usize,
  chunk: i32,
  scratch: usize,
): void {
  const taps = tapsOf(g);
  const channels = g.outChannels;
  const rows = g.batch * g.outHeight;
  clear(dx, g.batch * imageFloatsOf(g));
  for (let row = 0; row < rows; row += chunk) {
    const end = min(row + chunk, rows);
    const pixels = (end - row) * g.outWidth;
    const gradients = floatAt(dy, row * g.outWidth * channels);
    product(pixels, taps, channels, gradients, channels, 1, w, 1, channels, patches, taps, 0, scratch);
    addPatches(g, patches, row, end, dx);
  }
}

/**
 * Copies one line [filterHeight, filterWidth, inChannels] for each output pixel of some rows, zeros outside
 * the image.
 *
 * @param row, end rows of output pixels, counted through all images
 */
function cutPatches(g: Geometry, x: usize, row: i32, end: i32, line: usize): void {
  for (; row < end; row++) {
    const image = floatAt(x, (row / g.outHeight) * imageFloatsOf(g));
    const top = (row % g.outHeight) * g.strideHeight - g.padTop;
    for (let ox = 0; ox < g.outWidth; ox++) {
      cutPatch(g, image, top, ox * g.strideWidth - g.padLeft, line);
      line = floatAt(line, tapsOf(g));
    }
  }
}

@inline
function cutPatch(g: Geometry, image: usize, top: i32, left: i32, line: usize): void {
  const channels = g.inChannels;
  const rowFloats = g.filterWidth * channels;
  const first = min(max(0, -left), g.filterWidth);
  const end = max(first, min(g.filterWidth, g.inWidth - left));
  for (let i = 0; i < g.filterHeight; i++, line = floatAt(line, rowFloats)) {
    const y = top + i;
    if (y < 0 || y >= g.inHeight || first == end) {
      clear(line, rowFloats);
      continue;
    }
    if (first > 0) clear(line, first * channels);
    const source = floatAt(image, (y * g.inWidth + left + first) * channels);
    copyFloats(floatAt(line, first * channels), source, (end - first) * channels);
    if (end < g.filterWidth) clear(floatAt(line, end * channels), (g.filterWidth - end) * channels);
  }
}

/** The transpose of `cutPatches`. */
function addPatches(g: Geometry, line: usize, row: i32, end: i32, dx: usize): void {
  for (; row < end; row++) {
    const image = floatAt(dx, (row / g.outHeight) * imageFloatsOf(g));
    const top = (row % g.outHeight) * g.strideHeight - g.padTop;
    for (let ox = 0; ox < g.outWidth; ox++) {
      addPatch(g, line, top, ox * g.strideWidth - g.padLeft, image);
      line = floatAt(line, tapsOf(g));
    }
  }
}

@inline
function addPatch(g: Geometry, line: usize, top: i32, left: i32, image: usize): void {
  const channels = g.inChannels;
  const first = max(0, -left);
  const end = min(g.filterWidth, g.inWidth - left);
  for (let i = 0; i < g.filterHeight; i++, line = floatAt(line, g.filterWidth * channels)) {
    const y = top + i;
    if (y < 0 || y >= g.inHeight || first >= end) continue;
    const target = floatAt(image, (y * g.inWidth + left + first) * channels);
    addFloats(target, floatAt(line, first * channels), (end - first) * channels);
  }
}
