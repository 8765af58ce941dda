/**
 * Checks an option that takes one of a few words; undefined selects the default.
 *
 * @throws RangeError that names the option and the valid words
 */
export function checkChoice(name: string, value: unknown, choices: readonly unknown[]): void {
  if (value === undefined || choices.includes(value)) return;
  throw new RangeError(`Cannot use ${name} "${String(value)}": expected one of ${choices.join(', ')}`);
}

/**
 * Checks an option that takes a number; undefined selects the default.
 *
 * @throws RangeError that names the option and its range
 */
export function checkNumber(
  name: string,
  value: number | undefined,
  range: { least: number; most: number },
): void {
  if (value === undefined || (value >= range.least && value <= range.most)) return;
  throw new RangeError(`Cannot use ${name} ${value}: expected ${range.least} to ${range.most}`);
}
