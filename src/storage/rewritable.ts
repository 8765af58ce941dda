import type { WeightStore } from '../model/store.js';

type Write = Parameters<NonNullable<WeightStore['rewrite']>>[0];

/**
 * Opens a store that can be replaced: after `rewrite` it is the new model.
 *
 * @param first the model at first
 * @param replace makes the new files, given the model at that time, and opens them; it closes the old ones
 */
export function openRewritable(
  first: WeightStore,
  replace: (write: Write, current: WeightStore) => Promise<WeightStore>,
): WeightStore {
  let current = first;
  const rewrite = async (write: Write): Promise<void> => {
    current = await replace(write, current);
  };
  return new Proxy(first, {
    get: (_, key) => (key === 'rewrite' ? rewrite : Reflect.get(current, key)),
  });
}
