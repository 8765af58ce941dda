// Runs in a page: measures how long applying keeps it from answering.

import { fingerprint, type Model, openMemoryStore } from 'neural-diff';
import { applyPayload } from 'neural-diff/apply';

/** How a page fared while a payload was applied. */
export interface Blocks {
  /** `applied`, or the name of the error. */
  readonly outcome: string;
  readonly fingerprint: string;
  /** Tasks of more than 50 ms, as the browser reports them, in milliseconds. */
  readonly longTasks: readonly number[];
  /** Tasks of the page that ran while the payload was being applied. */
  readonly turns: number;
}

/** @returns a model of 3 MiB */
export function createModel(): Model {
  const shape = [768, 1_024];
  return { tensors: [{ name: 'kernel', dtype: 'float32', shape, bytes: new Uint8Array(3 * 2 ** 20) }] };
}

/** Applies a payload to the model. @param abortAfter number of the page's own tasks after which to cancel */
export async function countBlocks(url: string, abortAfter = Number.POSITIVE_INFINITY): Promise<Blocks> {
  const store = openMemoryStore(createModel());
  const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer());
  const longTasks: number[] = [];
  const observer = new PerformanceObserver((list) => {
    longTasks.push(...list.getEntries().map((entry) => entry.duration));
  });
  observer.observe({ entryTypes: ['longtask'] });
  const controller = new AbortController();
  let turns = 0;
  const timer = setInterval(() => {
    if (++turns > abortAfter) controller.abort();
  });
  const outcome = await applyPayload(store, bytes, { signal: controller.signal }).then(
    ({ status }) => status,
    (error: Error) => error.name,
  );
  clearInterval(timer);
  // Entries are delivered in a later task.
  await new Promise((resolve) => setTimeout(resolve, 100));
  observer.disconnect();
  return { outcome, fingerprint: await fingerprint(store), longTasks, turns };
}
