import type { ModelFiles } from '../model/model-files.js';
import { type Disk, ended, type ModelPlace, pathIn, sizeOf } from './disk.js';
import { createJournal, type JournalWriter } from './journal.js';
import type { Fingerprints } from './storage.js';

/** Bytes that are kept as one: a page of common file systems. */
const PAGE_BYTES = 4_096;

/** Writes that wait for their journal entries to become durable together, and their bytes. */
const MAX_WAITING = 256;
const MAX_WAITING_BYTES = 2 ** 20;

/** Bytes of a run of pages that is kept as one entry: read, and copied into the entry, in rooms of this size. */
const MAX_RUN_BYTES = 2 ** 18;

/** A write that waits. */
interface Waiting {
  readonly path: string;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/**
 * A model's files, written in place under an undo journal: what a page held is durable in the journal before the page is
 * written for the first time. The journal is made at the first write.
 */
export class JournaledFiles implements ModelFiles {
  readonly #place: ModelPlace;
  readonly #journalPath: string;
  readonly #names: Fingerprints;
  readonly #kept = new Map<string, KeptPages>();
  readonly #written = new Set<string>();
  #journal: JournalWriter | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  /** What waits, and what a run of pages held: arrays made for each would fill the memory before they are collected. */
  readonly #room = new Uint8Array(MAX_WAITING_BYTES);
  readonly #before = new Uint8Array(MAX_RUN_BYTES);

  constructor(place: ModelPlace, journalPath: string, names: Fingerprints) {
    this.#place = place;
    this.#journalPath = journalPath;
    this.#names = names;
  }

  /** The journal, once something is written. */
  get journal(): JournalWriter | undefined {
    return this.#journal;
  }

  size(name: string): Promise<number> {
    return sizeOf(this.#disk, pathIn(this.#place, name));
  }

  readInto(name: string, offset: number, target: Uint8Array): Promise<void> {
    return this.#inTurn(() => this.#read(name, offset, target));
  }

  write(name: string, offset: number, bytes: Uint8Array): Promise<void> {
    return this.#inTurn(() => this.#wait(name, offset, bytes));
  }

  flush(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#settle();
      for (const path of this.#written) await this.#disk.sync(path);
      this.#written.clear();
    });
  }

  /**
   * Nothing is read or written from now on, once what is under way has come to its end: whoever still has the store would write what
   * no journal keeps.
   */
  async close(): Promise<void> {
    const last = this.#last.catch(() => undefined);
    this.#last = last.then(() => Promise.reject(ended()));
    this.#last.catch(() => undefined);
    await last;
  }

  /** One after the other. After a failure nothing goes on: what is in the journal then, and what is not, nobody knows. */
  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(run);
    this.#last = turn;
    turn.catch(() => undefined);
    return turn;
  }

  async #read(name: string, offset: number, target: Uint8Array): Promise<void> {
    const path = pathIn(this.#place, name);
    const end = offset + target.length;
    const isWaiting = (each: Waiting): boolean =>
      each.path === path && each.offset < end && offset < each.offset + each.bytes.length;
    if (this.#waiting.some(isWaiting)) await this.#settle();
    await this.#disk.readInto(path, offset, target);
  }

  async #wait(name: string, offset: number, bytes: Uint8Array): Promise<void> {
    const path = pathIn(this.#place, name);
    for (let at = 0; at < bytes.length; ) {
      const isFull = this.#waitingBytes === MAX_WAITING_BYTES || this.#waiting.length === MAX_WAITING;
      if (isFull) await this.#settle();
      const room = this.#room.subarray(this.#waitingBytes);
      const piece = bytes.subarray(at, at + room.length);
      room.set(piece);
      this.#waiting.push({ path, offset: offset + at, bytes: room.subarray(0, piece.length) });
      this.#waitingBytes += piece.length;
      at += piece.length;
    }
  }

  get #disk(): Disk {
    return this.#place.disk;
  }

  /** Keeps what the waiting writes will overwrite, makes that durable, and writes. */
  async #settle(): Promise<void> {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#journal ??= await createJournal(this.#disk, this.#journalPath, this.#names);
    for (const each of waiting) await this.#keep(each, this.#journal);
    await this.#journal.sync();
    for (const { path, offset, bytes } of waiting) {
      this.#written.add(path);
      await this.#disk.write(path, offset, bytes);
    }
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  async #keep({ path, offset, bytes }: Waiting, journal: JournalWriter): Promise<void> {
    const kept = await this.#keptOf(path);
    for (const { start, end } of kept.take(offset, offset + bytes.length)) {
      const before = this.#before.subarray(0, end - start);
      await this.#disk.readInto(path, start, before);
      await journal.append({ kind: 'kept', path, offset: start, bytes: before });
    }
  }

  async #keptOf(path: string): Promise<KeptPages> {
    const known = this.#kept.get(path);
    if (known !== undefined) return known;
    const pages = new KeptPages(await sizeOf(this.#disk, path));
    this.#kept.set(path, pages);
    return pages;
  }
}

/** Which pages of a file are in the journal: a bit each. */
class KeptPages {
  readonly #size: number;
  readonly #bits: Uint8Array;

  constructor(size: number) {
    this.#size = size;
    this.#bits = new Uint8Array(Math.ceil(size / PAGE_BYTES / 8));
  }

  /** Takes the pages that a range touches. @returns the runs of bytes of those that were not taken before */
  take(start: number, end: number): { start: number; end: number }[] {
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
