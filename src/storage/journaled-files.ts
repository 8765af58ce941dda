import { concatBytes } from '../model/bytes.js';
import type { ModelFiles } from '../model/model-files.js';
import { MAX_RUN_BYTES, mostJournalBytes, PAGE_BYTES, type PlannedWrites } from '../model/planned-writes.js';
import { compareNames } from '../model/tensor.js';
import { encodeUtf8 } from '../model/text.js';
import { checkFree, closedStore, type Disk, type ModelLocation, pathIn, sizeOf } from './disk.js';
import { createJournal, type JournalWriter } from './journal.js';
import type { Fingerprints } from './storage.js';

/**
 * Maximum number and bytes of writes that are buffered, so that neighbours are written together and journal
 * entries are synced together.
 */
const MAX_PENDING = 1_024;
const MAX_PENDING_BYTES = 2 ** 20;

/** A buffered write. */
interface PendingWrite {
  readonly path: string;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/**
 * A model's files, written in place with an undo journal.
 *
 * The original content of a page is durable in the journal before the page is first written. The journal is
 * created at the first write. Operations run sequentially; after a failure all later ones fail, since the
 * state of the journal is unknown.
 */
export class JournaledFiles implements ModelFiles {
  readonly #location: ModelLocation;
  readonly #journalPath: string;
  readonly #fingerprints: Fingerprints;
  readonly #saved = new Map<string, SavedPages>();
  readonly #written = new Set<string>();
  /** Sizes of the files that the model consists of: those that were asked for to open it. */
  readonly #sizes = new Map<string, number>();
  #journal: JournalWriter | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #pending: PendingWrite[] = [];
  #pendingBytes = 0;
  /** Reusable buffers for pending writes and for the original content of a run of pages. */
  readonly #buffer = new Uint8Array(MAX_PENDING_BYTES);
  readonly #original = new Uint8Array(MAX_RUN_BYTES);

  constructor(location: ModelLocation, journalPath: string, fingerprints: Fingerprints) {
    this.#location = location;
    this.#journalPath = journalPath;
    this.#fingerprints = fingerprints;
  }

  /** The journal; undefined before the first write. */
  get journal(): JournalWriter | undefined {
    return this.#journal;
  }

  async size(name: string): Promise<number> {
    const path = pathIn(this.#location, name);
    const size = await sizeOf(this.#disk, path);
    this.#sizes.set(path, size);
    return size;
  }

  readInto(name: string, offset: number, target: Uint8Array): Promise<void> {
    return this.#enqueue(() => this.#read(name, offset, target));
  }

  /** Checks that the disk has space for the journal, before anything is written. */
  reserve(writes: PlannedWrites): Promise<void> {
    let [pathBytes, totalBytes] = [0, 0];
    for (const [path, size] of this.#sizes) {
      pathBytes = Math.max(pathBytes, encodeUtf8(path).length);
      totalBytes += size;
    }
    const needed = mostJournalBytes(writes, { pathBytes, totalBytes });
    return checkFree(this.#disk, needed, 'keep a journal of the update');
  }

  write(name: string, offset: number, bytes: Uint8Array): Promise<void> {
    return this.#enqueue(() => this.#addPending(name, offset, bytes));
  }

  flush(): Promise<void> {
    return this.#enqueue(async () => {
      await this.#writePending();
      for (const path of this.#written) await this.#disk.sync(path);
      this.#written.clear();
    });
  }

  /** Waits for running operations, then rejects all later ones, whose writes would bypass the journal. */
  async close(): Promise<void> {
    const last = this.#last.catch(() => undefined);
    this.#last = last.then(() => Promise.reject(closedStore()));
    this.#last.catch(() => undefined);
    await last;
  }

  #enqueue<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#last.then(run);
    this.#last = result;
    result.catch(() => undefined);
    return result;
  }

  async #read(name: string, offset: number, target: Uint8Array): Promise<void> {
    const path = pathIn(this.#location, name);
    if (this.#isPending(path, offset, target.length)) await this.#writePending();
    await this.#disk.readInto(path, offset, target);
  }

  /** @returns whether a pending write touches a range */
  #isPending(path: string, offset: number, length: number): boolean {
    const end = offset + length;
    return this.#pending.some(
      (write) => write.offset < end && offset < write.offset + write.bytes.length && write.path === path,
    );
  }

  async #addPending(name: string, offset: number, bytes: Uint8Array): Promise<void> {
    const path = pathIn(this.#location, name);
    // Pending writes are written in the order of their offsets, so no two may share a byte.
    if (this.#isPending(path, offset, bytes.length)) await this.#writePending();
    for (let at = 0; at < bytes.length; ) {
      const isFull = this.#pendingBytes === MAX_PENDING_BYTES || this.#pending.length === MAX_PENDING;
      if (isFull) await this.#writePending();
      const free = this.#buffer.subarray(this.#pendingBytes);
      const piece = bytes.subarray(at, at + free.length);
      free.set(piece);
      this.#pendTo(path, offset + at, piece.length);
      this.#pendingBytes += piece.length;
      at += piece.length;
    }
  }

  /** Adds bytes of the buffer to the pending writes: to the last one, where they continue it. */
  #pendTo(path: string, offset: number, length: number): void {
    const last = this.#pending.at(-1);
    const continues = last?.path === path && last.offset + last.bytes.length === offset;
    const from = this.#pendingBytes - (continues ? last.bytes.length : 0);
    const bytes = this.#buffer.subarray(from, this.#pendingBytes + length);
    if (continues) this.#pending.pop();
    this.#pending.push({ path, offset: continues ? last.offset : offset, bytes });
  }

  get #disk(): Disk {
    return this.#location.disk;
  }

  /** Saves the bytes that the pending writes will overwrite, makes the journal durable, and writes. */
  async #writePending(): Promise<void> {
    const pending = this.#pending;
    if (pending.length === 0) return;
    this.#journal ??= await createJournal(this.#disk, this.#journalPath, this.#fingerprints);
    const runs = joinNeighbours(pending);
    for (const run of runs) await this.#saveOriginal(run, this.#journal);
    await this.#journal.sync();
    for (const { path, offset, bytes } of runs) {
      this.#written.add(path);
      await this.#disk.write(path, offset, bytes);
    }
    this.#pending = [];
    this.#pendingBytes = 0;
  }

  async #saveOriginal({ path, offset, bytes }: PendingWrite, journal: JournalWriter): Promise<void> {
    const saved = await this.#savedPagesOf(path);
    for (const { start, end } of saved.add(offset, offset + bytes.length)) {
      const original = this.#original.subarray(0, end - start);
      await this.#disk.readInto(path, start, original);
      await journal.append({ kind: 'saved', path, offset: start, bytes: original });
    }
  }

  async #savedPagesOf(path: string): Promise<SavedPages> {
    const known = this.#saved.get(path);
    if (known !== undefined) return known;
    const pages = new SavedPages(await sizeOf(this.#disk, path));
    this.#saved.set(path, pages);
    return pages;
  }
}

/** @param pending writes that share no byte @returns them in order, with neighbours as one */
function joinNeighbours(pending: readonly PendingWrite[]): PendingWrite[] {
  const ordered = [...pending].sort((a, b) => compareNames(a.path, b.path) || a.offset - b.offset);
  const runs: PendingWrite[] = [];
  for (let i = 0; i < ordered.length; ) {
    const { path, offset } = ordered[i] as PendingWrite;
    const parts: Uint8Array[] = [];
    let end = offset;
    for (; ordered[i]?.path === path && ordered[i]?.offset === end; i++) {
      const { bytes } = ordered[i] as PendingWrite;
      parts.push(bytes);
      end += bytes.length;
    }
    runs.push({ path, offset, bytes: parts.length > 1 ? concatBytes(parts) : (parts[0] as Uint8Array) });
  }
  return runs;
}

/** The set of pages of a file that are in the journal, as a bitmap. */
class SavedPages {
  readonly #size: number;
  readonly #bits: Uint8Array;

  constructor(size: number) {
    this.#size = size;
    this.#bits = new Uint8Array(Math.ceil(size / PAGE_BYTES / 8));
  }

  /** Adds the pages that a range touches. @returns byte ranges of the added pages that were missing before */
  add(start: number, end: number): { start: number; end: number }[] {
    const runs: { start: number; end: number }[] = [];
    for (let page = Math.floor(start / PAGE_BYTES); page * PAGE_BYTES < end; page++) {
      const bit = 1 << (page & 7);
      if ((this.#bits[page >>> 3] as number) & bit) continue;
      this.#bits[page >>> 3] = (this.#bits[page >>> 3] as number) | bit;
      const [from, to] = [page * PAGE_BYTES, Math.min((page + 1) * PAGE_BYTES, this.#size)];
      const last = runs.at(-1);
      if (last?.end === from && to - last.start <= MAX_RUN_BYTES) last.end = to;
      else runs.push({ start: from, end: to });
    }
    return runs;
  }
}
