import { type Abort, createAbort } from '../model/abort.js';
import { NeuralDiffError } from '../model/errors.js';

/** Longest delay that timers support; a longer one would become 1 ms. */
export const LONGEST_MS = 2 ** 31 - 1;

/** A time limit on operations. */
export interface Deadline {
  /** Aborted when the limit is exceeded, or with the caller's signal. */
  readonly signal: AbortSignal;
  /** Runs an operation with `signal`; rejects when that is aborted, even if the operation ignores it. */
  within<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T>;
  /** Releases the timer; to be called when all operations are done. */
  end(): void;
}

/** A time limit on a transfer that gets ahead too slowly. */
interface MinimumRate extends Deadline {
  /** Counts bytes that were received. */
  add(bytes: number): void;
}

/** What is limited, and what cancels it. */
interface Limited {
  /** The limited action for the error message, for example `fetch metadata`. */
  readonly action: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Sets a deadline for several consecutive operations. Unlike a stall timeout, it also limits very slow
 * transfers.
 *
 * @returns the deadline; `within` throws `network` after it has passed, or the signal's reason
 */
export function setDeadline({
  milliseconds,
  action,
  signal,
}: Limited & { readonly milliseconds: number }): Deadline {
  const limit = openLimit({ action, signal });
  const exceed = (): void => limit.exceed(`it took longer than ${milliseconds} ms`);
  const timer = setTimeout(exceed, Math.min(milliseconds, LONGEST_MS));
  return {
    ...limit.deadline,
    end() {
      clearTimeout(timer);
      limit.deadline.end();
    },
  };
}

/**
 * Requires a number of bytes in each window of time, whatever errors and new attempts there are in between.
 *
 * @returns the limit; `within` throws `network` after a window with fewer bytes, or the signal's reason
 */
export function setMinimumRate({
  bytesPerSecond,
  windowMs,
  ...limited
}: Limited & { readonly bytesPerSecond: number; readonly windowMs: number }): MinimumRate {
  const limit = openLimit(limited);
  const windowLength = Math.min(windowMs, LONGEST_MS);
  const expected = Math.ceil((bytesPerSecond * windowLength) / 1000);
  let got = 0;
  const timer = setInterval(() => {
    if (got < expected) limit.exceed(`expected at least ${expected} bytes in ${windowLength} ms, got ${got}`);
    got = 0;
  }, windowLength);
  return {
    ...limit.deadline,
    add(bytes) {
      got += bytes;
    },
    end() {
      clearInterval(timer);
      limit.deadline.end();
    },
  };
}

function openLimit({ action, signal }: Limited): { deadline: Deadline; exceed: (problem: string) => void } {
  const abort = createAbort(signal);
  return {
    deadline: {
      signal: abort.signal,
      within: (run) => whileOpen(run, abort),
      end: abort.end,
    },
    exceed: (problem) => abort.abort(new NeuralDiffError('network', `Cannot ${action}: ${problem}`)),
  };
}

/** Rejects when the signal is aborted, even if the operation ignores the signal. */
function whileOpen<T>(run: (signal: AbortSignal) => Promise<T>, { signal, reason }: Abort): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const stop = (): void => reject(reason());
    if (signal.aborted) return stop();
    signal.addEventListener('abort', stop);
    run(signal)
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', stop));
  });
}
