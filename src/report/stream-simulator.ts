/**
 * Simulates a stream of frames that one thread processes in order, each as soon as it has arrived and the
 * ones before it are done: a queue with constant arrivals, by Lindley's recursion.
 *
 * Source: D. V. Lindley, "The theory of queues with a single server", 1952.
 *
 * @param flops what each frame costs, in floating-point operations
 * @param options seconds from one arrival to the next, and the speed of the thread in FLOP/s
 * @returns in seconds: for each frame its latency, from its arrival to the end of its processing, and how
 *   long it waits before that; and how long a frame after the last one would wait
 * @throws RangeError for an interval or a speed that is not positive and finite, or costs that are negative
 *   or not finite
 *
 * @example
 * const { latencies } = simulateStream([1e6, 3e6, 1e6], { frameSeconds: 0.01, flopsPerSecond: 2e8 });
 * console.log(percentilesOf(latencies, [0.5, 0.95]));
 */
export function simulateStream(
  flops: ArrayLike<number>,
  { frameSeconds, flopsPerSecond }: { readonly frameSeconds: number; readonly flopsPerSecond: number },
): { readonly latencies: Float64Array; readonly waits: Float64Array; readonly backlog: number } {
  checkPositive('seconds between frames', frameSeconds);
  checkPositive('FLOP/s', flopsPerSecond);
  const latencies = new Float64Array(flops.length);
  const waits = new Float64Array(flops.length);
  let backlog = 0;
  for (let t = 0; t < flops.length; t++) {
    const cost = flops[t] as number;
    if (!(cost >= 0 && cost < Number.POSITIVE_INFINITY))
      throw new RangeError(
        `Cannot simulate stream: expected frame ${t} to cost 0 FLOPs or more, got ${cost}`,
      );
    waits[t] = backlog;
    const latency = backlog + cost / flopsPerSecond;
    latencies[t] = latency;
    backlog = Math.max(0, latency - frameSeconds);
  }
  return { latencies, waits, backlog };
}

function checkPositive(what: string, value: number): void {
  if (value > 0 && value < Number.POSITIVE_INFINITY) return;
  throw new RangeError(`Cannot simulate stream: expected a positive, finite number of ${what}, got ${value}`);
}

/** A share that a decimal fraction means differs from it by less: 0.07 of 100 values are 7, not 8. */
const ROUNDING = 2 ** -50;

/**
 * Finds percentiles by the nearest rank: the smallest value that at least a share of all values do not
 * exceed.
 *
 * @param values in any order, at least one
 * @param shares 0 to 1: 0.95 for the 95th percentile
 * @returns a value for each share
 * @throws RangeError for no values, or for a share that is not from 0 to 1
 */
export function percentilesOf(values: ArrayLike<number>, shares: readonly number[]): number[] {
  if (values.length === 0) throw new RangeError('Cannot find percentiles: expected values, got none');
  const sorted = Float64Array.from(values).sort();
  return shares.map((share) => {
    if (!(share >= 0 && share <= 1))
      throw new RangeError(`Cannot find percentiles: expected a share from 0 to 1, got ${share}`);
    const rank = Math.ceil(share * sorted.length * (1 - ROUNDING));
    return sorted[Math.max(0, rank - 1)] as number;
  });
}
