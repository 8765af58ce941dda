import { throwIfAborted } from './abort.js';

/** Longest work between two yields to the event loop, in milliseconds. */
const SLICE_MS = 12;

/** Yields to the event loop now and then during long synchronous work, and stops it on request. */
export class Yielder {
  readonly #signal: AbortSignal | undefined;
  #since = Date.now();

  constructor(signal?: AbortSignal) {
    this.#signal = signal;
  }

  /**
   * Call it after each piece of work, of a few milliseconds at most.
   *
   * @throws the signal's reason
   */
  async tick(): Promise<void> {
    const elapsed = Date.now() - this.#since;
    // A clock that was set back would keep the thread for as long.
    if (elapsed >= SLICE_MS || elapsed < 0) {
      await nextTask();
      this.#since = Date.now();
    }
    throwIfAborted(this.#signal);
  }
}

/** Resolves once other tasks have run; a message is not delayed as browsers delay timers. */
function nextTask(): Promise<void> {
  if (typeof MessageChannel === 'undefined')
    // Engines without either have no other tasks.
    return new Promise((resolve) => (typeof setTimeout === 'undefined' ? resolve() : setTimeout(resolve)));
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
