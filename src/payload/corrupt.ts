import { NeuralDiffError } from '../model/index.js';

/** @returns the error for bytes that no writer of this format makes */
export function corrupt(message: string, cause?: unknown): NeuralDiffError {
  return new NeuralDiffError('corrupt-payload', `Cannot read payload: ${message}`, { cause });
}

/** @returns the error for a number that is well-formed but beyond a limit */
export function beyondLimit(what: string, limit: number, got: number): NeuralDiffError {
  return new NeuralDiffError(
    'limit-exceeded',
    `Cannot read payload: expected ${what} up to ${limit}, got ${got}`,
    {
      facts: { limit, got },
    },
  );
}
