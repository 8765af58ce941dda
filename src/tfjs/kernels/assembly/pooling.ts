import { Geometry } from './geometry';
import { addScaled, clear, floatAt } from './vectors';

/** The part of a window inside the image. */
let top: i32 = 0, bottom: i32 = 0, left: i32 = 0, right: i32 = 0;

@inline
function clip(g: Geometry, oy: i32, ox: i32): void {
  const y = oy * g.strideHeight - g.padTop;
  const x = ox * g.strideWidth - g.padLeft;
  top = max(0, y);
  bottom = min(g.inHeight, y + g.filterHeight);
  left = max(0, x);
  right = min(g.inWidth, x + g.filterWidth);
}

/**
 * Gradient of max pooling: each output's gradient goes to the first maximum of its window. A window of only
 * NaN or -Infinity has no maximum, and passes no gradient.
 *
 * @param x input [batch, inHeight, inWidth, channels]
 * @param dy gradient with respect to the output
 * @param dx gradient with respect to the input
 */
export function maxPoolGradient(g: Geometry, x: usize, dy: usize, dx: usize): void {
  const channels = g.inChannels;
  clear(dx, g.batch * g.inHeight * g.inWidth * channels);
  for (let image = 0; image < g.batch; image++) {
    const offset = image * g.inHeight * g.inWidth * channels;
    for (let oy = 0; oy < g.outHeight; oy++) {
      for (let ox = 0; ox < g.outWidth; ox++, dy = floatAt(dy, channels)) {
        clip(g, oy, ox);
        routeWindow(g, floatAt(x, offset), dy, floatAt(dx, offset));
      }
    }
  }
}

function routeWindow(g: Geometry, x: usize, dy: usize, dx: usize): void {
  const channels = g.inChannels;
  const lanes = i32x4(0, 1, 2, 3);
  let c = 0;
  for (; c + 4 <= channels; c += 4, dy += 16) {
    let largest = f32x4.splat(-Infinity);
    let positions = i32x4.splat(-1);
    for (let row = top; row < bottom; row++) {
      let position = (row * g.inWidth + left) * channels + c;
      for (let column = left; column < right; column++, position += channels) {
        const values = v128.load(floatAt(x, position));
        const isLarger = f32x4.gt(values, largest);
        largest = v128.bitselect(values, largest, isLarger);
        positions = v128.bitselect(i32x4.add(i32x4.splat(position), lanes), positions, isLarger);
      }
    }
    route(dx, i32x4.extract_lane(positions, 0), load<f32>(dy));
    route(dx, i32x4.extract_lane(positions, 1), load<f32>(dy, 4));
    route(dx, i32x4.extract_lane(positions, 2), load<f32>(dy, 8));
    route(dx, i32x4.extract_lane(positions, 3), load<f32>(dy, 12));
  }
  for (; c < channels; c++, dy += 4) routeChannel(g, x, c, load<f32>(dy), dx);
}

function routeChannel(g: Geometry, x: usize, c: i32, gradient: f32, dx: usize): void {
  let largest: f32 = -Infinity;
  let best = -1;
  for (let row = top; row < bottom; row++) {
    let position = (row * g.inWidth + left) * g.inChannels + c;
    for (let column = left; column < right; column++, position += g.inChannels) {
      const value = load<f32>(floatAt(x, position));
      if (value <= largest || value != value) continue;
      largest = value;
      best = position;
    }
  }
  route(dx, best, gradient);
}

@inline
function route(dx: usize, position: i32, gradient: f32): void {
  if (position < 0) return;
  const at = floatAt(dx, position);
  store<f32>(at, load<f32>(at) + gradient);
}

/**
 * Gradient of average pooling: each output's gradient is divided by the window's full size and added to its
 * window.
 */
export function averagePoolGradient(g: Geometry, dy: usize, dx: usize): void {
  const channels = g.inChannels;
  const share: f32 = <f32>1 / <f32>(g.filterHeight * g.filterWidth);
  clear(dx, g.batch * g.inHeight * g.inWidth * channels);
  for (let image = 0; image < g.batch; image++) {
    const plane = floatAt(dx, image * g.inHeight * g.inWidth * channels);
    for (let oy = 0; oy < g.outHeight; oy++) {
      for (let ox = 0; ox < g.outWidth; ox++, dy = floatAt(dy, channels)) {
        clip(g, oy, ox);
        for (let row = top; row < bottom; row++) {
          for (let column = left; column < right; column++) {
            addScaled(floatAt(plane, (row * g.inWidth + column) * channels), dy, share, channels);
          }
        }
      }
    }
  }
}
