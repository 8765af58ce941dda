import { Geometry, imageFloatsOf, tapsOf } from './geometry';
import { product } from './product';
import { addFloats, clear, copyFloats, floatAt } from './vectors';

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
