/**
 * What can go wrong in the world, as opposed to in the caller's program (that is a `TypeError` or `RangeError`).
 * `docs/ERRORS.md` says for each code who is at fault and what to do.
 */
export type ErrorCode =
  | 'wrong-base'
  | 'wrong-layout'
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
  | 'bad-model'
  | 'unsupported-model'
  | 'unsafe-path'
  | 'file-not-found'
  | 'file-unreadable'
  | 'output-exists'
  | 'no-space'
  | 'budget-impossible'
  | 'gap-unreachable'
  | 'saving-too-small'
  | 'bad-data'
  | 'bad-document'
  | 'training-diverged'
  | 'recipe-unreadable'
  | 'recipe-invalid'
  | 'recipe-failed'
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

/** Facts that a program may want to read, beside the message that people read. */
export type ErrorFacts = NeuralDiffError['facts'];

/** The one error type of the package: a message for people, a code and facts for programs. */
export class NeuralDiffError extends Error {
  override readonly name = 'NeuralDiffError';
  readonly code: ErrorCode;
  readonly facts: Readonly<Record<string, string | number | boolean | undefined>>;

  /**
   * @param code one of the closed union
   * @param message what was being done, the quoted thing, what was expected, what was met
   * @param options `cause`, the error underneath; `facts`, the values of the message as fields
   */
  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; facts?: NeuralDiffError['facts'] } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.facts = options.facts ?? {};
  }
}

/** An error as plain data: classes and their fields do not cross the boundary of a thread. */
export interface Failure {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  /** Of a NeuralDiffError. */
  readonly code?: ErrorCode;
  readonly facts?: ErrorFacts;
  readonly cause?: Failure;
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
    ...{ name, message, ...(stack !== undefined && { stack }), ...coded },
    ...(hasCause && { cause: describeFailure(error.cause, causes - 1) }),
  };
}

/** @returns the error that was described: a NeuralDiffError with code and facts, or one with its name and message */
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
