// Runs in pages and workers: new files of a model that is kept on the disks of browsers.

import { type NeuralDiffError, openContainer, openMemoryFiles } from 'neural-diff';
import { applyPayload } from 'neural-diff/apply';
import {
  installSlots,
  openIndexedDbDisk,
  openOpfsDisk,
  openSlots,
  type SlotOptions,
  type SlotStorage,
} from 'neural-diff/storage';
import type { DiskName, Names } from './keep-model.js';
import { download } from './patch-copies.js';

const MAIN = 'm.safetensors';

/** Installs the model of one file that a folder of the server has. */
export async function install(of: DiskName, from: string): Promise<void> {
  const files = new Map([[MAIN, await download(`${from}/base`)]]);
  await withSlots(of, (options) => installSlots(options, openMemoryFiles(files), [MAIN]));
}

/** Applies the folder's payload. */
export async function update(of: DiskName, from: string, names: Names): Promise<void> {
  const bytes = await download(`${from}/payload.ndiff`);
  await withSlots(of, (options) =>
    openSlots(options).update(async (store) => void (await applyPayload(store, bytes)), names),
  );
}

/** Begins to apply the folder's payload, and does not wait. */
export function startUpdate(of: DiskName, from: string, names: Names): void {
  update(of, from, names).catch((error) => {
    document.title = String(error);
  });
}

/** @returns how storage is after a recovery, and the SHA-256 of each file of the model by its path */
export async function recover(of: DiskName): Promise<{ status: string; files: Record<string, string> }> {
  return withSlots(of, async (options) => {
    const storage = openSlots(options);
    const status = await recoverUnlocked(storage);
    const folder = await storage.folder();
    const files: Record<string, string> = {};
    for (const path of await options.disk.list(folder)) {
      const bytes = new Uint8Array((await options.disk.size(path)) ?? 0);
      await options.disk.readInto(path, 0, bytes);
      const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
      files[path.slice(folder.length + 1)] = Array.from(digest, (byte) =>
        byte.toString(16).padStart(2, '0'),
      ).join('');
    }
    return { status, files };
  });
}

/** Waits for a lock that a closing page still has. */
async function recoverUnlocked(storage: SlotStorage): Promise<string> {
  for (let tries = 0; ; tries++) {
    try {
      return await storage.recover();
    } catch (error) {
      if ((error as NeuralDiffError).code !== 'locked' || tries === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

async function withSlots<T>({ kind, name }: DiskName, act: (options: SlotOptions) => Promise<T>): Promise<T> {
  const disk = await (kind === 'files'
    ? openOpfsDisk({ folder: name })
    : openIndexedDbDisk({ database: name }));
  try {
    return await act({ disk, folder: 'model', openModel: (files) => openContainer(files, MAIN) });
  } finally {
    await disk.close();
  }
}
