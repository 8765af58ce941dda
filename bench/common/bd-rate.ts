/** A size, and what it gave. */
export interface RatePoint {
  readonly bytes: number;
  readonly accuracy: number;
}

/** Natural logarithm of bytes at an accuracy. */
type Knot = readonly [accuracy: number, logBytes: number];

/**
 * Bjøntegaard delta-rate: the bytes that a method saves or costs at equal accuracy, as the mean difference of
 * the logarithms of bytes over the accuracies that both reach (G. Bjøntegaard, VCEG-M33, 2001; logarithms are
 * interpolated linearly between points in place of a cubic, which overshoots between few points).
 *
 * A curve that is not monotone is replaced by its upper hull: points that a smaller or equal size matches or
 * exceeds in accuracy are left out.
 *
 * @returns (bytes of `curve`) / (bytes of `reference`) − 1: −0.6 for 60 % fewer bytes; null if either has
 *   fewer than two points left, or no accuracies in common
 */
export function bdRate(reference: readonly RatePoint[], curve: readonly RatePoint[]): number | null {
  const [a, b] = [upperHull(reference), upperHull(curve)];
  if (a.length < 2 || b.length < 2) return null;
  const from = Math.max(accuracyAt(a, 0), accuracyAt(b, 0));
  const to = Math.min(accuracyAt(a, -1), accuracyAt(b, -1));
  if (from >= to) return null;
  const inside = [...a, ...b].map(([accuracy]) => accuracy).filter((each) => each > from && each < to);
  const places = [from, ...inside.sort((x, y) => x - y), to];
  let area = 0;
  for (const [i, place] of places.slice(1).entries()) {
    const before = places[i] as number;
    area += ((place - before) * (difference(a, b, before) + difference(a, b, place))) / 2;
  }
  return Math.exp(area / (to - from)) - 1;
}

function upperHull(points: readonly RatePoint[]): Knot[] {
  const hull: Knot[] = [];
  for (const { bytes, accuracy } of [...points].sort((x, y) => x.bytes - y.bytes || y.accuracy - x.accuracy))
    if (accuracy > (hull.at(-1)?.[0] ?? Number.NEGATIVE_INFINITY)) hull.push([accuracy, Math.log(bytes)]);
  return hull;
}

function accuracyAt(knots: readonly Knot[], index: number): number {
  return (knots.at(index) as Knot)[0];
}

function difference(reference: readonly Knot[], curve: readonly Knot[], accuracy: number): number {
  return logBytesAt(curve, accuracy) - logBytesAt(reference, accuracy);
}

/** @param accuracy within the range of the knots */
function logBytesAt(knots: readonly Knot[], accuracy: number): number {
  const next = Math.max(
    1,
    knots.findIndex(([place]) => place >= accuracy),
  );
  const [[x0, y0], [x1, y1]] = [knots[next - 1] as Knot, knots[next] as Knot];
  return y0 + ((y1 - y0) * (accuracy - x0)) / (x1 - x0);
}
