import { type ErrorCode, type ErrorFacts, NeuralDiffError } from '../src/model/errors.js';

/** Exit statuses of the command line. They are frozen: scripts rely on them. */
export const EXIT = {
  done: 0,
  internal: 1,
  usage: 2,
  wrongBase: 3,
  refused: 5,
  corruptPayload: 6,
  noSpace: 7,
  network: 8,
  healthCheck: 9,
  gate: 10,
  missed: 11,
  interrupted: 130,
} as const;

/** Name of an exit status. */
export type ExitName = keyof typeof EXIT;

/** What each exit status means; help and documents are made from it. */
export const EXIT_DESCRIPTIONS: Readonly<Record<ExitName, string>> = {
  done: 'Done, or already up to date',
  internal: 'Internal error, diverged training, or stored files that do not match',
  usage: 'The command line, a file or a recipe cannot be used; nothing was written',
  wrongBase: 'The payload is for another model',
  refused:
    'Refused: signatures, old or expired metadata, a lock, a trial, or a job of another version or recipe',
  corruptPayload: 'The payload or metadata is damaged, too large, or of an unknown version',
  noSpace: 'No space left on the device',
  network: 'The repository, queue or store cannot be reached, or the repository lacks a file',
  healthCheck: 'The test of an updated model failed; the old model is restored',
  gate: 'A gate failed: the payload is too large or not good enough',
  missed: 'A newer release exists that the device cannot take: unreachable, held back, or over the limit',
  interrupted: 'Interrupted by Ctrl-C or SIGTERM',
};

/** Exit status of every error code. */
export const STATUS_OF: Readonly<Record<ErrorCode, number>> = {
  'wrong-base': EXIT.wrongBase,
  'wrong-layout': EXIT.wrongBase,
  'needs-copy': EXIT.usage,
  'broken-chain': EXIT.wrongBase,
  'no-route': EXIT.wrongBase,
  'not-a-payload': EXIT.corruptPayload,
  'unsupported-version': EXIT.corruptPayload,
  'corrupt-payload': EXIT.corruptPayload,
  'limit-exceeded': EXIT.corruptPayload,
  'result-mismatch': EXIT.corruptPayload,
  'storage-mismatch': EXIT.internal,
  locked: EXIT.refused,
  'on-trial': EXIT.refused,
  'worker-lost': EXIT.internal,
  'bad-model': EXIT.usage,
  'empty-model': EXIT.usage,
  'unsupported-model': EXIT.usage,
  'unsafe-path': EXIT.usage,
  'file-not-found': EXIT.usage,
  'file-unreadable': EXIT.usage,
  'output-exists': EXIT.usage,
  'no-space': EXIT.noSpace,
  'no-memory': EXIT.usage,
  'budget-impossible': EXIT.usage,
  'gap-unreachable': EXIT.usage,
  'saving-too-small': EXIT.gate,
  'bad-data': EXIT.usage,
  'bad-document': EXIT.usage,
  'training-diverged': EXIT.internal,
  'recipe-unreadable': EXIT.usage,
  'recipe-invalid': EXIT.usage,
  'recipe-failed': EXIT.usage,
  'job-refused': EXIT.refused,
  'missing-package': EXIT.usage,
  network: EXIT.network,
  'health-check-failed': EXIT.healthCheck,
  'signature-invalid': EXIT.refused,
  'metadata-expired': EXIT.refused,
  'metadata-rollback': EXIT.refused,
  'metadata-mismatch': EXIT.refused,
  'metadata-missing': EXIT.network,
  'metadata-corrupt': EXIT.corruptPayload,
  'payload-mismatch': EXIT.corruptPayload,
  'release-refused': EXIT.refused,
  'key-invalid': EXIT.usage,
};

/** A command line that cannot be understood. */
export class UsageError extends Error {}

/** What programs read of an error. */
export interface ErrorSummary {
  readonly code: ErrorCode | 'usage' | 'internal';
  readonly status: number;
  readonly message: string;
  readonly facts?: ErrorFacts;
}

/** @returns code, exit status and message of anything that was thrown */
export function summarise(error: unknown): ErrorSummary {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof NeuralDiffError) {
    const { code, facts } = error;
    return { code, status: STATUS_OF[code], message, facts };
  }
  const isUsage = error instanceof UsageError || error instanceof RangeError;
  return isUsage
    ? { code: 'usage', status: EXIT.usage, message }
    : { code: 'internal', status: EXIT.internal, message };
}

/** @returns the lines of an error's stack, and of those of its causes */
export function stackOf(error: unknown): string[] {
  if (!(error instanceof Error)) return [];
  const lines = (error.stack ?? error.message).split('\n');
  const [first, ...rest] = stackOf(error.cause);
  return first === undefined ? lines : [...lines, `Caused by: ${first}`, ...rest];
}
