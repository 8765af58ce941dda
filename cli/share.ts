/**
 * Reads a share or a difference, as `0.3%` or `0.003`.
 *
 * @throws RangeError that says what was expected; `what` names it
 */
export function readShare(what: string, text: string): number {
  const [, digits, percent] = /^(\d+(?:\.\d+)?|\.\d+)\s*(%?)$/.exec(text.trim()) ?? [];
  if (digits !== undefined) return percent ? Number(digits) / 100 : Number(digits);
  throw new RangeError(`Cannot use ${what} "${text}": expected a number ("0.3%", "0.003")`);
}
