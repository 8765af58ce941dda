import { NeuralDiffError } from '../model/index.js';

/**
 * Runs something while no other tab, worker or call of this origin holds a lock of the same name. The browser takes the
 * lock back from whatever is closed, reloaded or killed: there are no stale locks.
 *
 * @throws NeuralDiffError `locked` where somebody holds the lock; `file-unreadable` where there are no Web Locks
 */
export async function holdWebLock<T>(name: string, run: () => Promise<T>): Promise<T> {
  // Pages that were not served over a secure connection have none, whatever the types say.
  const locks = navigator.locks as LockManager | undefined;
  if (locks === undefined) {
    const message = `Cannot lock "${name}": there are no Web Locks here; serve the page from https or localhost`;
    throw new NeuralDiffError('file-unreadable', message);
  }
  return locks.request(name, { ifAvailable: true }, async (lock) => {
    if (lock !== null) return run();
    throw new NeuralDiffError('locked', `Cannot lock "${name}": another tab or worker holds it`);
  });
}
