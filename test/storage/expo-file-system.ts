// The part of `expo-file-system` (version 58) that the recipe in docs/STORAGE.md uses, over files of Node.js,
// with what its native code does on phones: opening needs a file, creating and moving refuse one, and folders
// above are not made without being asked for.

import * as fs from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Folder of the documents of the app that is tested. */
let documents = '';

/** A call that would reach the phone, by its name; it may throw in its place. */
let onCall = (_: string): void => {};

/** Begins a test: where documents are, and what hears of each call. */
export function simulate(folder: string, hear: (call: string) => void = () => {}): void {
  documents = folder;
  onCall = hear;
}

const statOf = (path: string): fs.Stats | undefined => (fs.existsSync(path) ? fs.statSync(path) : undefined);

class Entry {
  /** A path in place of an address: both are joined alike. */
  readonly uri: string;

  constructor(...uris: readonly (string | Entry)[]) {
    this.uri = join(...uris.map((part) => (typeof part === 'string' ? part : part.uri)));
  }

  get name(): string {
    return basename(this.uri);
  }
}

export class Directory extends Entry {
  get exists(): boolean {
    return statOf(this.uri)?.isDirectory() ?? false;
  }

  create({ intermediates = false, idempotent = false } = {}): void {
    onCall('create folder');
    if (this.exists && idempotent) return;
    fs.mkdirSync(this.uri, { recursive: intermediates });
  }

  list(): (Directory | File)[] {
    const entries = fs.readdirSync(this.uri, { withFileTypes: true });
    return entries.map((entry) =>
      entry.isDirectory() ? new Directory(this, entry.name) : new File(this, entry.name),
    );
  }
}

export class File extends Entry {
  get exists(): boolean {
    return statOf(this.uri)?.isFile() ?? false;
  }

  get size(): number {
    return fs.statSync(this.uri).size;
  }

  create(): void {
    onCall('create');
    fs.closeSync(fs.openSync(this.uri, 'wx'));
  }

  delete(): void {
    onCall('delete');
    fs.unlinkSync(this.uri);
  }

  /** As on phones, the object then is the file at its new place. */
  async move(to: File): Promise<void> {
    onCall('move');
    if (to.exists || !fs.existsSync(dirname(to.uri))) throw new Error(`Unable to move to ${to.uri}`);
    fs.renameSync(this.uri, to.uri);
    (this as { uri: string }).uri = to.uri;
  }

  open(): FileHandle {
    if (!this.exists) throw new Error(`Unable to open ${this.uri}`);
    return new FileHandle(fs.openSync(this.uri, 'r+'));
  }
}

class FileHandle {
  offset: number | null = 0;
  readonly #descriptor: number;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  async readBytes(length: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(length);
    return bytes.subarray(0, fs.readSync(this.#descriptor, bytes, { position: this.offset }));
  }

  async writeBytes(bytes: Uint8Array): Promise<void> {
    // A part of it may be written when the app is killed.
    const half = bytes.length >> 1;
    fs.writeSync(this.#descriptor, bytes, 0, half, this.offset);
    onCall('write');
    fs.writeSync(this.#descriptor, bytes, half, bytes.length - half, (this.offset ?? 0) + half);
  }

  close(): void {
    fs.closeSync(this.#descriptor);
  }
}

export const Paths = {
  get document(): Directory {
    return new Directory(documents);
  },
  get availableDiskSpace(): number {
    const { bavail, bsize } = fs.statfsSync(documents);
    return bavail * bsize;
  },
  info(uri: string): { exists: boolean; isDirectory: boolean | null } {
    const found = statOf(uri);
    return { exists: found !== undefined, isDirectory: found?.isDirectory() ?? null };
  },
};
