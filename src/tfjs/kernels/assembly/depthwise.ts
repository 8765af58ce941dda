import { endOutput, firstOutput, Geometry } from './geometry';
import { addProducts, clear, floatAt, multiplyAdd } from './vectors';

/**
 * Gradient of a depthwise convolution with respect to its filter, one output channel per input channel.
 *
 * @param dw gradient [filterHeight, filterWidth, channels, 1]
 */
export function depthwiseFilterGradient(g: Geometry, x: usize, dy: usize, dw: usize): void {
  const channels = g.inChannels;
  clear(dw, g.filterHeight * g.filterWidth * channels);
  for (let image = 0; image < g.batch; image++) {
    for (let i = 0; i < g.filterHeight; i++) {
      for (let j = 0; j < g.filterWidth; j++) {
        addTap(g, image, i, j, x, dy, floatAt(dw, (i * g.filterWidth + j) * channels));
      }
    }
  }
}

/** Adds the contribution of one tap of one image; an image stays in the cache for all taps. */
function addTap(g: Geometry, image: i32, i: i32, j: i32, x: usize, dy: usize, tap: usize): void {
  const channels = g.inChannels;
  const down = i * g.dilationHeight - g.padTop;
  const across = j * g.dilationWidth - g.padLeft;
  const firstRow = firstOutput(down, g.strideHeight);
  const endRow = endOutput(down, g.strideHeight, g.inHeight, g.outHeight);
  const firstColumn = firstOutput(across, g.strideWidth);
  const columns = endOutput(across, g.strideWidth, g.inWidth, g.outWidth) - firstColumn;
  if (columns <= 0) return;
  const inRow = g.strideHeight * g.inWidth * channels;
  const outRow = g.outWidth * channels;
  const y = image * g.inHeight + firstRow * g.strideHeight + down;
  let from = floatAt(x, (y * g.inWidth + firstColumn * g.strideWidth + across) * channels);
  let out = floatAt(dy, ((image * g.outHeight + firstRow) * g.outWidth + firstColumn) * channels);
  for (let row = firstRow; row < endRow; row++) {
    addTapRow(columns, channels, from, (<usize>(g.strideWidth * channels)) << 2, out, tap);
    from = floatAt(from, inRow);
    out = floatAt(out, outRow);
  }
}

/** Sums over the columns of one row, eight channels at a time in registers. */
function addTapRow(columns: i32, channels: i32, x: usize, pixelBytes: usize, dy: usize, tap: usize): void {
  const outBytes = (<usize>channels) << 2;
  let c = 0;
  for (; c + 8 <= channels; c += 8, x += 32, dy += 32, tap += 32) {
    let low = v128.load(tap), high = v128.load(tap, 16);
    let from = x, out = dy;
    for (let column = 0; column < columns; column++, from += pixelBytes, out += outBytes) {
      low = multiplyAdd(v128.load(from), v128.load(out), low);
      high = multiplyAdd(v128.load(from, 16), v128.load(out, 16), high);
    }
    v128.store(tap, low);
    v128.store(tap, high, 16);
  }
  for (; c < channels; c++, x += 4, dy += 4, tap += 4) {
    let sum = load<f32>(tap);
    let from = x, out = dy;
    for (let column = 0; column < columns; column++, from += pixelBytes, out += outBytes) {
      sum += load<f32>(from) * load<f32>(out);
    }
    store<f32>(tap, sum);
  }
}

/**
 * Gradient of a depthwise convolution with respect to its input, one output channel per input channel.
 *
 * @param w filter [filterHeight, filterWidth, channels, 1]
 */
export function depthwiseInputGradient(g: Geometry, dy: usize, w: usize, dx: usize): void {
  const channels = g.inChannels;
  clear(dx, g.batch * g.inHeight * g.inWidth * channels);
  for (let image = 0; image < g.batch; image++) {
    for (let oy = 0; oy < g.outHeight; oy++) {
      for (let i = 0; i < g.filterHeight; i++) {
        const y = oy * g.strideHeight - g.padTop + i * g.dilationHeight;
        if (y < 0 || y >= g.inHeight) continue;
        const row = floatAt(dx, (image * g.inHeight + y) * g.inWidth * channels);
        const gradients = floatAt(dy, (image * g.outHeight + oy) * g.outWidth * channels);
        for (let j = 0; j < g.filterWidth; j++) {
          spreadTap(g, j, gradients, floatAt(w, (i * g.filterWidth + j) * channels), row);
        }
      }
    }
  }
}

function spreadTap(g: Geometry, j: i32, gradients: usize, tap: usize, row: usize): void {
  const channels = g.inChannels;
  const across = j * g.dilationWidth - g.padLeft;
  const first = firstOutput(across, g.strideWidth);
  const end = endOutput(across, g.strideWidth, g.inWidth, g.outWidth);
  for (let ox = first; ox < end; ox++) {
    const target = floatAt(row, (ox * g.strideWidth + across) * channels);
    addProducts(target, floatAt(gradients, ox * channels), tap, channels);
  }
}
