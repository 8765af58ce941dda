import type { WeightStore } from '../src/index.js';
import { type FolderOptions, openModel } from '../src/node/index.js';

/** Opens a model, lets something use it, and closes it whatever happened. */
export async function withModel<T>(
  model: FolderOptions & { path: string },
  use: (store: WeightStore) => Promise<T>,
): Promise<T> {
  const store = await openModel(model.path, model);
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}
