import { type ErrorCode, type ErrorFacts, NeuralDiffError } from '../model/index.js';

/** @returns the error for metadata that no honest maker writes */
export function corrupt(what: string, problem: string, cause?: unknown): NeuralDiffError {
  return new NeuralDiffError('metadata-corrupt', `Cannot read ${what}: ${problem}`, { cause });
}

/** @returns the error for what is well-formed and must not be trusted */
export function refuse(code: ErrorCode, message: string, facts?: ErrorFacts): NeuralDiffError {
  return new NeuralDiffError(code, message, facts === undefined ? {} : { facts });
}
