// A disk and a repository in memory, with nothing that engines may lack.
import { NeuralDiffError } from 'neural-diff';
import type { Disk } from 'neural-diff/storage';
import type { MetadataStore, UpdateSource } from 'neural-diff/updater';

/** @param files contents by path; the disk changes it */
export function openMemoryDisk(files: Map<string, Uint8Array>): Disk {
  const find = (path: string): Uint8Array => {
    const bytes = files.get(path);
    if (bytes === undefined)
      throw new NeuralDiffError('file-not-found', `Cannot read "${path}": no such file`);
    return bytes;
  };
  return {
    size: async (path) => files.get(path)?.length,
    async readInto(path, offset, target) {
      target.set(find(path).subarray(offset, offset + target.length));
    },
    async write(path, offset, bytes) {
      const old = files.get(path) ?? new Uint8Array();
      const grown = new Uint8Array(Math.max(old.length, offset + bytes.length));
      grown.set(old);
      grown.set(bytes, offset);
      files.set(path, grown);
    },
    async sync() {},
    async rename(from, to) {
      files.set(to, find(from));
      files.delete(from);
    },
    async remove(path) {
      files.delete(path);
    },
    list: async (folder) => [...files.keys()].filter((path) => path.startsWith(`${folder}/`)),
    async syncDirectory() {},
    withLock: (_, run) => run(),
  };
}

/** As Babel has it, where the engine lacks the symbol. */
const ASYNC_ITERATOR: typeof Symbol.asyncIterator = Symbol.asyncIterator ?? ('@@asyncIterator' as never);

/** @returns a repository of files by path, each of which comes in two pieces */
export function openMemorySource(files: ReadonlyMap<string, Uint8Array>): UpdateSource {
  return {
    fetch: async (path) => files.get(path),
    async open(path, { offset }) {
      const bytes = (files.get(path) as Uint8Array).subarray(offset);
      const rest = [bytes.subarray(0, bytes.length >> 1), bytes.subarray(bytes.length >> 1)];
      const next = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
        const value = rest.shift();
        return value === undefined ? { done: true, value } : { done: false, value };
      };
      return { offset, pieces: { [ASYNC_ITERATOR]: () => ({ next }) } };
    },
  };
}

/** @returns an empty store of verified metadata */
export function openMemoryMetadata(): MetadataStore {
  const files = new Map<string, Uint8Array>();
  return {
    read: async (name) => files.get(name),
    write: async (name, bytes) => void files.set(name, bytes),
    remove: async (name) => void files.delete(name),
  };
}
