import { loadPart, storePart } from './parts';

/**
 * The gradient of a clipped identity: `dy` where x is within bounds, else 0.
 *
 * @param dy, x, dx [count]
 * @param isOpen whether the lower bound itself is outside
 */
export function clippedGradient(
  count: i32,
  dy: usize,
  x: usize,
  low: f32,
  high: f32,
  isOpen: i32,
  dx: usize,
): void {
  const end = x + ((<usize>count) << 2);
  const lows = f32x4.splat(low);
  const highs = f32x4.splat(high);
  while (x < end) {
    const isWhole = x + 16 <= end;
    const value = loadPart(x, isWhole);
    const isAbove = isOpen ? f32x4.gt(value, lows) : f32x4.ge(value, lows);
    const isWithin = v128.and(isAbove, f32x4.le(value, highs));
    storePart(dx, v128.and(loadPart(dy, isWhole), isWithin), isWhole);
    const width: usize = isWhole ? 16 : 4;
    x += width;
    dy += width;
    dx += width;
  }
}
