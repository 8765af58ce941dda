import { type ErrorCode, NeuralDiffError } from '../model/errors.js';

const CODES: Readonly<Record<string, ErrorCode>> = {
  ENOENT: 'file-not-found',
  ENOTDIR: 'file-not-found',
  ENOSPC: 'no-space',
  EDQUOT: 'no-space',
  EEXIST: 'output-exists',
};

/**
 * Runs a file operation and turns what the system throws into this package's errors.
 *
 * @param doing what was being done, as a sentence without its end: `Cannot open "model.json"`
 * @param operation the operation
 * @returns what the operation returns
 * @throws NeuralDiffError `file-not-found`, `no-space`, `output-exists`, else `file-unreadable`; other errors as they are
 */
export async function withFileErrors<T>(doing: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (cause) {
    throw asFileError(doing, cause);
  }
}

/** `withFileErrors` for operations that end at once. */
export function withFileErrorsSync<T>(doing: string, operation: () => T): T {
  try {
    return operation();
  } catch (cause) {
    throw asFileError(doing, cause);
  }
}

function asFileError(doing: string, cause: unknown): unknown {
  const system = (cause as NodeJS.ErrnoException | undefined)?.code;
  if (typeof system !== 'string' || cause instanceof NeuralDiffError) return cause;
  const message = `${doing}: ${(cause as Error).message}`;
  return new NeuralDiffError(CODES[system] ?? 'file-unreadable', message, { cause });
}
