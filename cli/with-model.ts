import type { WeightStore } from '../src/model/store.js';
import { openModel } from '../src/node/open-model.js';

/** Opens a model, lets something use it, and closes it whatever happened. */
export async function withModel<T>(
  model: { readonly writable?: boolean } & { path: string },
  use: (store: WeightStore) => Promise<T>,
): Promise<T> {
  const store = await openModel(model.path, model);
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}
