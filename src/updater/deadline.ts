import { NeuralDiffError } from '../model/errors.js';

/** Longest time that timers take; of a longer one they would make a millisecond. */
export const LONGEST_MS = 2 ** 31 - 1;

/** How long something may take, and who may stop it before. */
interface DeadlineOptions {
  readonly milliseconds: number;
  /** What cannot be done in time, for the message: `check for updates`. */
  readonly doing: string;
  readonly signal?: AbortSignal | undefined;
}

/** A moment at which everything under it ends. */
interface Deadline {
  /** Waits for something, but no longer than until then; it gets a signal that fires then. */
  within<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T>;
  /** To be called when nothing more is waited for. */
  end(): void;
}

/**
 * Sets a deadline for several things in a row, from now on: what sends a byte now and then never stalls, and would never end.
 *
 * @returns the deadline; `within` throws `network` once it has passed, and the signal's reason
 */
export function setDeadline({ milliseconds, doing, signal }: DeadlineOptions): Deadline {
  const controller = new AbortController();
  const stop = (): void => controller.abort(signal?.reason);
  const timer = setTimeout(
    () => {
      const message = `Cannot ${doing}: it took longer than ${milliseconds} ms`;
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

/** Not all that is given a signal listens to it. */
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
