import { expect } from 'vitest';
import { fingerprint } from '../../src/model/fingerprint.js';
import { copyModel, openMemoryStore, type WeightStore } from '../../src/model/store.js';
import type { Model } from '../../src/model/tensor.js';
import { changeFirstBytes } from '../support.js';

/**
 * Expects a store to give a model and its fingerprint, and to make of its file what the changed model's file
 * holds.
 */
export async function expectRoundTrip(
  open: (bytes: Uint8Array) => Promise<WeightStore>,
  write: (model: Model) => Uint8Array,
  model: () => Model,
): Promise<void> {
  const bytes = write(model());
  const store = await open(bytes);
  expect(await copyModel(store)).toEqual(model());
  expect(await fingerprint(store)).toEqual(await fingerprint(openMemoryStore(model())));
  const changed = await changeFirstBytes(store, model());
  await store.flush();
  expect(bytes).toEqual(write(changed));
}
