import { NeuralDiffError } from '../src/model/errors.js';
import { formatShare } from './io.js';

/**
 * Reads a share or a difference, as `0.3%` or `0.003`.
 *
 * @param name the flag, for the message
 * @throws RangeError for anything else
 */
export function readShare(name: string, text: string): number {
  const [, digits, percent] = /^(\d+(?:\.\d+)?|\.\d+)\s*(%?)$/.exec(text.trim()) ?? [];
  if (digits !== undefined) return percent ? Number(digits) / 100 : Number(digits);
  throw new RangeError(`Cannot use ${name} "${text}": expected a number ("0.3%", "0.003")`);
}

/**
 * Reads a list of items separated by commas.
 *
 * @param name the flag, for the message
 * @throws RangeError for an item that is empty
 */
export function readList(name: string, text: string): string[] {
  const items = text.split(',').map((item) => item.trim());
  if (items.every((item) => item !== '')) return items;
  throw new RangeError(`Cannot use ${name} "${text}": expected a list with commas`);
}

/**
 * Checks the value of `--workers`.
 *
 * @throws RangeError
 */
export function checkWorkers(workers: number | undefined): void {
  if (workers !== undefined && !(Number.isInteger(workers) && workers >= 1))
    throw new RangeError(`Cannot use ${workers} workers: expected a whole number of at least 1`);
}

/** @returns the error for a diff that saves less than --min-saving */
export function tooSmall(facts: {
  payloadBytes: number;
  fullBytes: number;
  saving: number;
  least: number;
}): NeuralDiffError {
  const { payloadBytes, fullBytes, saving, least } = facts;
  const sizes = `the diff takes ${payloadBytes} bytes, the compressed model ${fullBytes}`;
  const shares = `that saves ${formatShare(saving)}, not ${formatShare(least)}`;
  const message = `Ship the full model: ${sizes}; ${shares}`;
  return new NeuralDiffError('saving-too-small', message, { facts });
}
