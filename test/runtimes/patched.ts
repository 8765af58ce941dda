import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { diffModels } from '../../src/exact-diff/diff-stores.js';
import { copyModel } from '../../src/model/store.js';
import type { Model } from '../../src/model/tensor.js';
import { openModel } from '../../src/node/open-model.js';

/** Writes a model's files into a folder of their own. */
export function writeFiles(folder: string, files: Readonly<Record<string, Uint8Array>>): void {
  mkdirSync(folder);
  for (const [path, bytes] of Object.entries(files)) writeFileSync(join(folder, path), bytes);
}

/** @returns the payload that makes one folder's model of another's */
export async function diffFolders(base: string, next: string): Promise<Uint8Array> {
  return (await diffModels(await read(base), await read(next))).payload;
}

async function read(folder: string): Promise<Model> {
  const store = await openModel(folder);
  const model = await copyModel(store);
  await store.close();
  return model;
}

/** Applies a payload to the files of a folder. */
export async function patchInPlace(folder: string, payload: Uint8Array): Promise<void> {
  const store = await openModel(folder, { writable: true });
  expect((await applyPayload(store, payload)).status).toBe('applied');
  await store.close();
}
