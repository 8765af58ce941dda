/**
 * Checks a `--workers` flag.
 *
 * @throws RangeError
 */
export function checkWorkers(workers: number | undefined): void {
  if (workers !== undefined && !(Number.isInteger(workers) && workers >= 1))
    throw new RangeError(`Cannot use ${workers} workers: expected a whole number of at least 1`);
}
