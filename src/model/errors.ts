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
export type ErrorFacts = Readonly<Record<string, string | number | boolean | undefined>>;

/** The one error type of the package: a message for people, a code and facts for programs. */
export class NeuralDiffError extends Error {
  override readonly name = 'NeuralDiffError';
  readonly code: ErrorCode;
  readonly facts: ErrorFacts;

  /**
   * @param code one of the closed union
   * @param message what was being done, the quoted thing, what was expected, what was met
   * @param options `cause`, the error underneath; `facts`, the values of the message as fields
   */
  constructor(code: ErrorCode, message: string, options: { cause?: unknown; facts?: ErrorFacts } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.facts = options.facts ?? {};
  }
}
