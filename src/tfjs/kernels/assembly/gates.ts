import { log4, sigmoid4 } from './functions';
import { loadPart, storePart } from './parts';

/** Gates below this are closed: products with smaller gates are subnormal, and slow. */
const LEAST_GATE: f32 = 1e-18;

/**
 * Soft gates by saliency: `sigmoid((log s - log threshold) / temperature)`, and 0 for values close to 0.
 *
 * @param change changes of weights [count]
 * @param fisher cost of a squared change [count], or 0 to use the change's magnitude as the saliency
 * @param gates [count]
 */
export function openGates(
  count: i32,
  change: usize,
  fisher: usize,
  logThreshold: f32,
  inverseTemperature: f32,
  gates: usize,
): void {
  const end = change + ((<usize>count) << 2);
  while (change < end) {
    const isWhole = change + 16 <= end;
    const x = loadPart(change, isWhole);
    const saliency = fisher ? f32x4.mul(f32x4.mul(loadPart(fisher, isWhole), x), x) : f32x4.abs(x);
    const distance = f32x4.sub(log4(saliency), f32x4.splat(logThreshold));
    const gate = sigmoid4(f32x4.mul(distance, f32x4.splat(inverseTemperature)));
    storePart(gates, v128.and(gate, f32x4.gt(gate, f32x4.splat(LEAST_GATE))), isWhole);
    const width: usize = isWhole ? 16 : 4;
    change += width;
    gates += width;
    if (fisher) fisher += width;
  }
}

/** `out = base + gates * change`. */
export function addGated(count: i32, base: usize, gates: usize, change: usize, out: usize): void {
  const end = base + ((<usize>count) << 2);
  while (base < end) {
    const isWhole = base + 16 <= end;
    const value = f32x4.mul(loadPart(gates, isWhole), loadPart(change, isWhole));
    storePart(out, f32x4.add(loadPart(base, isWhole), value), isWhole);
    const width: usize = isWhole ? 16 : 4;
    base += width;
    gates += width;
    change += width;
    out += width;
  }
}

/** `out = gates * (1 + (1 - gates) * slope) * gradient`. */
export function pullGated(count: i32, gates: usize, gradient: usize, slope: f32, out: usize): void {
  const end = gates + ((<usize>count) << 2);
  const one = f32x4.splat(1);
  while (gates < end) {
    const isWhole = gates + 16 <= end;
    const gate = loadPart(gates, isWhole);
    const steepness = f32x4.add(one, f32x4.mul(f32x4.sub(one, gate), f32x4.splat(slope)));
    const pulled = f32x4.mul(f32x4.mul(gate, steepness), loadPart(gradient, isWhole));
    storePart(out, pulled, isWhole);
    const width: usize = isWhole ? 16 : 4;
    gates += width;
    gradient += width;
    out += width;
  }
}
