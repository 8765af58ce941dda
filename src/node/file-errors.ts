import { type ErrorCode, NeuralDiffError } from '../model/errors.js';

const CODES: Readonly<Record<string, ErrorCode>> = {
  ENOENT: 'file-not-found',
  ENOTDIR: 'file-not-found',
  ENOSPC: 'no-space',
  EDQUOT: 'no-space',
  EEXIST: 'output-exists',
};

/**
 * Runs a file operation and converts system errors to `NeuralDiffError`.
 *
 * @param prefix start of the error message, for example `Cannot open "model.json"`
 * @param operation the operation
 * @returns what the operation returns
 * @throws NeuralDiffError `file-not-found`, `no-space`, `output-exists`, otherwise `file-unreadable`; other
 *   errors unchanged
 */
export async function withFileErrors<T>(prefix: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (cause) {
    throw asFileError(prefix, cause);
  }
}

/** Same as `withFileErrors`, for synchronous operations. */
export function withFileErrorsSync<T>(prefix: string, operation: () => T): T {
  try {
    return operation();
  } catch (cause) {
    throw asFileError(prefix, cause);
  }
}

function asFileError(prefix: string, cause: unknown): unknown {
  const system = (cause as NodeJS.ErrnoException | undefined)?.code;
  if (typeof system !== 'string' || cause instanceof NeuralDiffError) return cause;
  const message = `${prefix}: ${(cause as Error).message}`;
  return new NeuralDiffError(CODES[system] ?? 'file-unreadable', message, { cause });
}

/** For `catch`: makes a missing file undefined. @throws any other error */
export function ifMissing(error: unknown): undefined {
  if (!(error instanceof NeuralDiffError && error.code === 'file-not-found')) throw error;
}
