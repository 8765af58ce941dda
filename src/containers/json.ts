import { NeuralDiffError } from '../model/index.js';

/**
 * @param bytes UTF-8, from a stranger
 * @param path names the file in errors
 * @throws NeuralDiffError `bad-model` when it is not JSON
 */
export function parseJson(bytes: Uint8Array, path: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (cause) {
    throw new NeuralDiffError('bad-model', `Cannot read "${path}": expected JSON`, { cause });
  }
}

/** @returns the entries of an object, in their order */
export function entriesOf(value: unknown, path: string): [string, unknown][] {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return Object.entries(value);
  throw new NeuralDiffError('bad-model', `Cannot read "${path}": expected a JSON object`);
}

/** @returns whether a value is a list of numbers that can count or place bytes */
export function wholeNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((each) => Number.isSafeInteger(each) && each >= 0);
}
