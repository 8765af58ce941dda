import { NeuralDiffError } from '../model/errors.js';

/** Longest delay that timers support; a longer one would become 1 ms. */
export const LONGEST_MS = 2 ** 31 - 1;

/** Options of `setDeadline`. */
interface DeadlineOptions {
  readonly milliseconds: number;
  /** The limited action for the error message, for example `check for updates`. */
  readonly action: string;
  readonly signal?: AbortSignal | undefined;
}

/** A shared time limit of several operations. */
interface Deadline {
  /**
   * Runs an operation, which gets a signal that is aborted at the deadline; rejects at the deadline at the
   * latest.
   */
  within<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T>;
  /** Releases the timer; to be called when all operations are done. */
  end(): void;
}

/**
 * Sets a deadline for several consecutive operations. Unlike a stall timeout, it also limits very slow
 * transfers.
 *
 * @returns the deadline; `within` throws `network` after it has passed, or the signal's reason
 */
export function setDeadline({ milliseconds, action, signal }: DeadlineOptions): Deadline {
  const controller = new AbortController();
  const stop = (): void => controller.abort(signal?.reason);
  const timer = setTimeout(
    () => {
      const message = `Cannot ${action}: it took longer than ${milliseconds} ms`;
      controller.abort(new NeuralDiffError('network', message));
    },
    Math.min(milliseconds, LONGEST_MS),
  );
  if (signal?.aborted) stop();
  signal?.addEventListener('abort', stop);
  return {
    within: (run) => whileOpen(run, controller.signal),
    end() {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
    },
  };
}

/** Rejects when the signal is aborted, even if the operation ignores the signal. */
function whileOpen<T>(run: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    signal.throwIfAborted();
    const stop = (): void => reject(signal.reason);
    signal.addEventListener('abort', stop);
    run(signal)
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', stop));
  });
}
