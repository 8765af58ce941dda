import { printable } from './printable.js';

/**
 * Codes of runtime failures. Mistakes in the calling program throw a `TypeError` or `RangeError` instead.
 * `docs/ERRORS.md` lists the cause and the remedy for each code.
 */
export type ErrorCode =
  | 'wrong-base'
  | 'wrong-layout'
  | 'needs-copy'
  | 'broken-chain'
  | 'no-route'
  | 'not-a-payload'
  | 'unsupported-version'
  | 'corrupt-payload'
  | 'limit-exceeded'
  | 'result-mismatch'
  | 'storage-mismatch'
  | 'locked'
  | 'on-trial'
  | 'worker-lost'
  | 'bad-model'
  | 'empty-model'
  | 'unsupported-model'
  | 'unsafe-path'
  | 'file-not-found'
  | 'file-unreadable'
  | 'output-exists'
  | 'no-space'
  | 'no-memory'
  | 'budget-impossible'
  | 'gap-unreachable'
  | 'saving-too-small'
  | 'bad-data'
  | 'bad-document'
  | 'training-diverged'
  | 'recipe-unreadable'
  | 'recipe-invalid'
  | 'recipe-failed'
  | 'job-refused'
  | 'missing-package'
  | 'network'
  | 'health-check-failed'
  | 'signature-invalid'
  | 'metadata-expired'
  | 'metadata-rollback'
  | 'metadata-mismatch'
  | 'metadata-missing'
  | 'metadata-corrupt'
  | 'payload-mismatch'
  | 'release-refused'
  | 'key-invalid';

/** The values quoted in an error's message, as fields for programs. */
export type ErrorFacts = NeuralDiffError['facts'];

/** The one error type of the package: a message for people, a code and facts for programs. */
export class NeuralDiffError extends Error {
  override readonly name = 'NeuralDiffError';
  readonly code: ErrorCode;
  readonly facts: Readonly<Record<string, string | number | boolean | undefined>>;

  /**
   * @param code one of the closed union
   * @param message the operation, the quoted subject, what was expected and what was found; unseen
   *   characters in it, which names of strangers may have, are escaped
   * @param options `cause`, the error underneath; `facts`, the values of the message as fields
   */
  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; facts?: NeuralDiffError['facts'] } = {},
  ) {
    super(printable(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.facts = options.facts ?? {};
  }
}

/** An error as plain data: classes and their fields are lost between threads. */
export interface Failure {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  /** Set for a NeuralDiffError. */
  readonly code?: ErrorCode;
  readonly facts?: ErrorFacts;
  readonly cause?: Failure;
}

/** Errors that keep their class; all others become a plain `Error` with the original name. */
const CLASSES = { RangeError, TypeError, SyntaxError } as const;

/** Depth of causes that is kept; ends the recursion for errors that cause themselves. */
const MAX_CAUSES = 4;

/** @returns any thrown value as plain data */
export function describeFailure(error: unknown, causes = MAX_CAUSES): Failure {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) };
  const { name, message, stack } = error;
  const coded = error instanceof NeuralDiffError ? { code: error.code, facts: error.facts } : {};
  const hasCause = error.cause !== undefined && causes > 0;
  return {
    name,
    message,
    ...(stack !== undefined && { stack }),
    ...coded,
    ...(hasCause && { cause: describeFailure(error.cause, causes - 1) }),
  };
}

/**
 * @returns the described error: a NeuralDiffError with code and facts, or an error with its name and message
 */
export function reviveFailure(failure: Failure): Error {
  const { name, message, stack, code, facts } = failure;
  const cause = failure.cause && reviveFailure(failure.cause);
  const trace = stack === undefined ? {} : { stack };
  if (code)
    return Object.assign(new NeuralDiffError(code, message, { cause, ...(facts && { facts }) }), trace);
  const Class = name in CLASSES ? CLASSES[name as keyof typeof CLASSES] : Error;
  const error = cause === undefined ? new Class(message) : new Class(message, { cause });
  return Object.assign(error, { name, ...trace });
}
