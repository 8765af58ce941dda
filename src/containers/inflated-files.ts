import type { ModelFiles } from '../model/index.js';
import { type Deflated, InflatedEntry } from './inflated-entry.js';

/** Entries that are held half read, as many as threads may read at once: each keeps a decompressor and what came out of it last. */
const MAX_OPEN = 16;

/**
 * Shows compressed bytes as files of their own, beside those of a folder. They are read only: forwards at little cost, backwards by
 * beginning anew.
 *
 * @param files the folder; closed with this one
 * @param deflated what is compressed, by path
 * @returns the folder with these files
 */
export function openInflatedFiles(files: ModelFiles, deflated: ReadonlyMap<string, Deflated>): ModelFiles {
  const open = new Map<string, InflatedEntry>();
  let last: Promise<unknown> = Promise.resolve();
  const findEntry = (path: string, entry: Deflated): InflatedEntry => {
    const found = open.get(path) ?? new InflatedEntry(files, entry);
    open.delete(path);
    open.set(path, found);
    const [longestUnused] = open.keys();
    if (open.size > MAX_OPEN) open.delete(longestUnused as string);
    return found;
  };
  return {
    async size(path) {
      return deflated.get(path)?.length ?? files.size(path);
    },
    readInto(path, offset, target) {
      const entry = deflated.get(path);
      if (entry === undefined) return files.readInto(path, offset, target);
      // Reads that are asked for at once would take each other's bytes.
      const done = last.then(() => findEntry(path, entry).readInto(offset, target));
      last = done.catch(() => undefined);
      return done;
    },
    write: (path, offset, bytes) => files.write(path, offset, bytes),
    flush: () => files.flush(),
    async close() {
      await last;
      open.clear();
      await files.close();
    },
  };
}
