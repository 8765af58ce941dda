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
 * @param patches floats for the patches of `chunk` images, or 0 when the input is them: a pointwise filter
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
  const imageFloats = imageFloatsOf(g);
  const pixels = g.outHeight * g.outWidth;
  const channels = g.outChannels;
  for (let image = 0; image < g.batch; image += chunk) {
    const images = min(chunk, g.batch - image);
    const rows = images * pixels;
    const out = floatAt(y, image * pixels * channels);
    let seen = floatAt(x, image * imageFloats);
    if (patches) {
      for (let i = 0; i < images; i++) {
        cutPatches(g, floatAt(seen, i * imageFloats), floatAt(patches, i * pixels * taps));
      }
      seen = patches;
    }
    if (bias) {
      for (let row = 0; row < rows; row++) copyFloats(floatAt(out, row * channels), bias, channels);
    }
    product(rows, channels, taps, seen, taps, 1, w, channels, 1, out, channels, i32(bias != 0), scratch);
    if (isRectified) rectify(out, rows * channels);
  }
}

function rectify(y: usize, count: i32): void {
  const end = floatAt(y, count);
  for (; y + 16 <= end; y += 16) v128.store(y, f32x4.pmax(v128.load(y), f32x4.splat(0)));
  for (; y < end; y += 4) if (load<f32>(y) < 0) store<f32>(y, 0);
}

/**
 * Gradient of a convolution by its filter: what the filter saw (im2col), times the gradient of what it made of it.
 *
 * @param x input [batch, inHeight, inWidth, inChannels]
 * @param dy gradient by the output
 * @param dw gradient by the filter [filterHeight, filterWidth, inChannels, outChannels]
 * @param patches floats for the patches of `chunk` images
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
  const imageFloats = imageFloatsOf(g);
  const pixels = g.outHeight * g.outWidth;
  const channels = g.outChannels;
  for (let image = 0; image < g.batch; image += chunk) {
    const images = min(chunk, g.batch - image);
    for (let i = 0; i < images; i++) {
      cutPatches(g, floatAt(x, (image + i) * imageFloats), floatAt(patches, i * pixels * taps));
    }
    const gradients = floatAt(dy, image * pixels * channels);
    const k = images * pixels;
    product(taps, channels, k, patches, 1, taps, gradients, channels, 1, dw, channels, i32(image > 0), scratch);
  }
}

/**
 * Gradient of a convolution by its input: what every patch is told, added where the patch was cut (col2im).
 *
 * @param w filter [filterHeight, filterWidth, inChannels, outChannels]
 * @param dx gradient by the input
 * @param patches floats for the patches of `chunk` images
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
  const imageFloats = imageFloatsOf(g);
  const pixels = g.outHeight * g.outWidth;
  const channels = g.outChannels;
  clear(dx, g.batch * imageFloats);
  for (let image = 0; image < g.batch; image += chunk) {
    const images = min(chunk, g.batch - image);
    const gradients = floatAt(dy, image * pixels * channels);
    product(images * pixels, taps, channels, gradients, channels, 1, w, 1, channels, patches, taps, 0, scratch);
    for (let i = 0; i < images; i++) {
      addPatches(g, floatAt(patches, i * pixels * taps), floatAt(dx, (image + i) * imageFloats));
    }
  }
}

/** One line [filterHeight, filterWidth, inChannels] for each output pixel of an image, zeros outside of it. */
function cutPatches(g: Geometry, x: usize, line: usize): void {
  const channels = g.inChannels;
  const rowFloats = g.filterWidth * channels;
  for (let oy = 0; oy < g.outHeight; oy++) {
    for (let ox = 0; ox < g.outWidth; ox++) {
      const left = ox * g.strideWidth - g.padLeft;
      const first = min(max(0, -left), g.filterWidth);
      const end = max(first, min(g.filterWidth, g.inWidth - left));
      for (let i = 0; i < g.filterHeight; i++, line = floatAt(line, rowFloats)) {
        const y = oy * g.strideHeight - g.padTop + i;
        if (y < 0 || y >= g.inHeight || first == end) {
          clear(line, rowFloats);
          continue;
        }
        if (first > 0) clear(line, first * channels);
        const source = floatAt(x, (y * g.inWidth + left + first) * channels);
        copyFloats(floatAt(line, first * channels), source, (end - first) * channels);
        if (end < g.filterWidth) clear(floatAt(line, end * channels), (g.filterWidth - end) * channels);
      }
    }
  }
}

function addPatches(g: Geometry, line: usize, dx: usize): void {
  const channels = g.inChannels;
  const rowFloats = g.filterWidth * channels;
  for (let oy = 0; oy < g.outHeight; oy++) {
    for (let ox = 0; ox < g.outWidth; ox++) {
      const left = ox * g.strideWidth - g.padLeft;
      const first = max(0, -left);
      const end = min(g.filterWidth, g.inWidth - left);
      for (let i = 0; i < g.filterHeight; i++, line = floatAt(line, rowFloats)) {
        const y = oy * g.strideHeight - g.padTop + i;
        if (y < 0 || y >= g.inHeight || first >= end) continue;
        const target = floatAt(dx, (y * g.inWidth + left + first) * channels);
        addFloats(target, floatAt(line, first * channels), (end - first) * channels);
      }
    }
  }
}
