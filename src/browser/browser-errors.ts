import { type ErrorCode, NeuralDiffError } from '../model/index.js';

const CODES: Readonly<Record<string, ErrorCode>> = {
  NotFoundError: 'file-not-found',
  QuotaExceededError: 'no-space',
  // Another tab or worker has the file open for writing.
  NoModificationAllowedError: 'locked',
};

/**
 * Runs an operation on a browser's storage and turns what the browser throws into this package's errors.
 *
 * @param doing what was being done, as a sentence without its end: `Cannot read "model.json"`
 * @throws NeuralDiffError `file-not-found`, `no-space`, `locked`, else `file-unreadable`; errors of neither the browser nor
 * its types as they are
 */
export async function withBrowserErrors<T>(doing: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (cause) {
    if (!(cause instanceof DOMException || cause instanceof TypeError)) throw cause;
    throw new NeuralDiffError(CODES[cause.name] ?? 'file-unreadable', `${doing}: ${cause.message}`, {
      cause,
    });
  }
}

/** @throws NeuralDiffError `file-unreadable` where a file ends before what was to be read of it */
export function checkWhole(path: string, range: { offset: number; expected: number; found: number }): void {
  const { offset, expected, found } = range;
  if (found === expected) return;
  const message = `Cannot read "${path}": expected ${expected} bytes at ${offset}, got ${found}`;
  throw new NeuralDiffError('file-unreadable', message);
}

/** @returns the error for a path without a file */
export function noSuchFile(path: string): NeuralDiffError {
  return new NeuralDiffError('file-not-found', `Cannot open "${path}": there is no such file`);
}
