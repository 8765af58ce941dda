/**
 * Where a device keeps metadata between refreshes: a handful of small files. `write` replaces a file whole or not at all. Names
 * are `timestamp.json`, `snapshot.json`, `targets.json` and `2.root.json`, `3.root.json` and so on. Nothing read from it is
 * trusted before its signatures are checked again.
 */
export interface MetadataStore {
  /** @returns the file; undefined when there is none */
  read(name: string): Promise<Uint8Array | undefined>;
  write(name: string, bytes: Uint8Array): Promise<void>;
  /** Removes a file that may not be there. */
  remove(name: string): Promise<void>;
}

/**
 * Fetches a file of a repository's `metadata` folder.
 *
 * @param name as `timestamp.json` or `3.snapshot.json`
 * @param maxBytes longer files are refused: stop reading beyond
 * @returns the file; undefined when the server has none (and only then: other failures throw)
 */
export type FetchMetadata = (name: string, maxBytes: number) => Promise<Uint8Array | undefined>;

/** @returns a store that is forgotten with the program */
export function openMemoryMetadata(): MetadataStore {
  const files = new Map<string, Uint8Array>();
  return {
    read: async (name) => files.get(name)?.slice(),
    write: async (name, bytes) => void files.set(name, bytes.slice()),
    remove: async (name) => void files.delete(name),
  };
}
