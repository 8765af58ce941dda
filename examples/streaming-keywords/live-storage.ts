import { type Model, NeuralDiffError, openMemoryStore } from 'neural-diff';
import type { Disk, ModelStorage } from 'neural-diff/storage';
import type { LiveRecogniser } from './live-recogniser.js';

/**
 * Lets an updater change the model of a live recogniser. Nothing outlasts the program: it begins with the
 * same model each time, and so must the disk of its updater.
 */
export function createLiveStorage(live: LiveRecogniser): ModelStorage {
  /** The model before the one on trial. */
  let before: Model | undefined;
  return {
    recover: async () => (before ? 'trial' : 'settled'),
    open: async () => openMemoryStore(await live.copyModel()),
    async update(change, { isTrial = true }) {
      const copy = await live.copyModel();
      await live.update(change);
      if (isTrial) before = copy;
    },
    async confirm() {
      before = undefined;
    },
    async rollback() {
      const model = before;
      if (model === undefined) return false;
      await live.update(async (store) => {
        for (const { name, bytes } of model.tensors) await store.write(name, 0, bytes);
      });
      before = undefined;
      return true;
    },
  };
}

/** @returns an empty disk in memory, of one program */
export function createMemoryDisk(): Disk {
  const files = new Map<string, Uint8Array>();
  const locks = new Set<string>();
  const find = (path: string): Uint8Array => {
    const bytes = files.get(path);
    if (bytes) return bytes;
    throw new NeuralDiffError('file-not-found', `Cannot read "${path}": no such file`);
  };
  return {
    size: async (path) => files.get(path)?.length,
    readInto: async (path, offset, target) => target.set(find(path).subarray(offset, offset + target.length)),
    async write(path, offset, bytes) {
      const old = files.get(path) ?? new Uint8Array();
      const grown = new Uint8Array(Math.max(old.length, offset + bytes.length));
      grown.set(old);
      grown.set(bytes, offset);
      files.set(path, grown);
    },
    sync: async () => {},
    async rename(from, to) {
      files.set(to, find(from));
      files.delete(from);
    },
    remove: async (path) => void files.delete(path),
    list: async (folder) => [...files.keys()].filter((path) => path.startsWith(`${folder}/`)),
    syncDirectory: async () => {},
    async withLock(name, run) {
      if (locks.has(name)) throw new NeuralDiffError('locked', `Cannot lock "${name}": it is taken`);
      locks.add(name);
      return run().finally(() => locks.delete(name));
    },
  };
}
