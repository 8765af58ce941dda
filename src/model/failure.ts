import { type ErrorCode, type ErrorFacts, NeuralDiffError } from './errors.js';

/** An error as plain data: classes and their fields do not cross the boundary of a thread. */
export interface Failure {
  readonly name: string;
  readonly message: string;
  readonly stack?: string | undefined;
  /** Of a NeuralDiffError. */
  readonly code?: ErrorCode | undefined;
  readonly facts?: ErrorFacts | undefined;
  readonly cause?: Failure | undefined;
}

/** Errors that keep their class; all others become plain `Error`s under their own name. */
const CLASSES = { RangeError, TypeError, SyntaxError } as const;

/** Causes of causes that are kept: enough for people, and an end for errors that cause themselves. */
const MAX_CAUSES = 4;

/** @returns whatever was thrown, as plain data */
export function describeFailure(error: unknown, causes = MAX_CAUSES): Failure {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) };
  const { name, message, stack } = error;
  const coded = error instanceof NeuralDiffError ? { code: error.code, facts: error.facts } : {};
  const hasCause = error.cause !== undefined && causes > 0;
  return {
    ...{ name, message, stack, ...coded },
    ...(hasCause && { cause: describeFailure(error.cause, causes - 1) }),
  };
}

/** @returns the error that was described: a NeuralDiffError with code and facts, or one with its name and message */
export function reviveFailure(failure: Failure): Error {
  const { name, message, stack, code, facts } = failure;
  const cause = failure.cause && reviveFailure(failure.cause);
  if (code)
    return Object.assign(new NeuralDiffError(code, message, { cause, ...(facts && { facts }) }), { stack });
  const Class = name in CLASSES ? CLASSES[name as keyof typeof CLASSES] : Error;
  const error = cause === undefined ? new Class(message) : new Class(message, { cause });
  return Object.assign(error, { name, stack });
}
