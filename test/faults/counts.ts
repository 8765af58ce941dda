/**
 * Prints how the cases of a suite ended, as a line of JSON on stderr: suite, number of cases, and number by
 * outcome.
 */
export function printCounts(suite: string, outcomes: Readonly<Record<string, number>>): void {
  const cases = Object.values(outcomes).reduce((sum, count) => sum + count, 0);
  process.stderr.write(`${suite}: ${JSON.stringify({ cases, ...outcomes })}\n`);
}
