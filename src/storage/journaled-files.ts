import type { ModelFiles } from '../model/model-files.js';
import { MAX_RUN_BYTES, mostJournalBytes, PAGE_BYTES, type PlannedWrites } from '../model/planned-writes.js';
import { compareNames } from '../model/tensor.js';
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
      pathBytes = Math.max(pathBytes, new TextEncoder().encode(path).length);
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
    const runs = runsOf(pending);
    for (const run of runs) await this.#saveOriginal(run, this.#journal);
    await this.#journal.sync();
    for (const run of runs) {
      this.#written.add(run.path);
      await this.#writeRun(run);
    }
    this.#pending = [];
    this.#pendingBytes = 0;
  }

  /** Writes neighbouring writes together. */
  async #writeRun({ path, start, writes }: Run): Promise<void> {
    const [first] = writes as [PendingWrite];
    if (writes.length === 1) return this.#disk.write(path, start, first.bytes);
    // The journal has the original bytes, so that their buffer is free.
    let [at, filled] = [start, 0];
    const writeFilled = async (): Promise<void> => {
      await this.#disk.write(path, at, this.#original.subarray(0, filled));
      [at, filled] = [at + filled, 0];
    };
    for (const { bytes } of writes) {
      for (let done = 0; done < bytes.length; ) {
        const piece = bytes.subarray(done, done + this.#original.length - filled);
        this.#original.set(piece, filled);
        filled += piece.length;
        done += piece.length;
        if (filled === this.#original.length) await writeFilled();
      }
    }
    if (filled > 0) await writeFilled();
  }

  async #saveOriginal({ path, start: from, end: to }: Run, journal: JournalWriter): Promise<void> {
    const saved = await this.#savedPagesOf(path);
    for (const { start, end } of saved.add(from, to)) {
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

/** Pending writes of neighbouring bytes, in order. */
interface Run {
  readonly path: string;
  readonly start: number;
  end: number;
  readonly writes: PendingWrite[];
}

/** @param pending writes that share no byte */
function runsOf(pending: readonly PendingWrite[]): Run[] {
  const runs: Run[] = [];
  const ordered = [...pending].sort((a, b) => compareNames(a.path, b.path) || a.offset - b.offset);
  for (const write of ordered) {
    const { path, offset, bytes } = write;
    const last = runs.at(-1);
    if (last?.path !== path || last.end !== offset)
      runs.push({ path, start: offset, end: offset + bytes.length, writes: [write] });
    else {
      last.writes.push(write);
      last.end += bytes.length;
    }
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
