/** @throws why a signal was aborted; nothing for another one, or none */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw reasonOf(signal);
}

/** @returns why a signal was aborted; those of React Native keep no reason */
export function reasonOf(signal: AbortSignal): unknown {
  return signal.reason ?? Object.assign(new Error('The operation was aborted'), { name: 'AbortError' });
}

/** An `AbortController` that keeps its reason, as those of React Native do not. */
export interface Abort {
  readonly signal: AbortSignal;
  abort(reason: unknown): void;
  /** Why it was aborted. */
  reason(): unknown;
  /** Stops following the other signal. */
  end(): void;
}

/** @param followed aborts what is returned as well */
export function createAbort(followed: AbortSignal | undefined): Abort {
  const controller = new AbortController();
  let why: unknown;
  const abort = (reason: unknown): void => {
    why ??= reason;
    controller.abort(reason);
  };
  const follow = (): void => abort(followed && reasonOf(followed));
  if (followed?.aborted) follow();
  followed?.addEventListener('abort', follow);
  return {
    signal: controller.signal,
    abort,
    reason: () => why,
    end: () => followed?.removeEventListener('abort', follow),
  };
}
