import type { ModelFiles } from './model-files.js';

/** Bytes read at once where small reads follow each other: at first, and at most after several such reads. */
const WINDOW_BYTES = 2 ** 16;
const MAX_WINDOW_BYTES = 2 ** 18;

/** Longest read that is served from a window; longer ones gain nothing. */
const SMALL_BYTES = 2 ** 14;

/** Runs of reads followed at a time: an order of names such as 1, 10, 11, 2 interleaves several. */
const MAX_STREAMS = 8;

/** How long bytes that were read ahead are used, in milliseconds: another process may change the file. */
const MAX_AGE_MS = 1_000;

/** Consecutive reads of a file. */
interface Stream {
  readonly path: string;
  /** Offset of the next read. */
  at: number;
  /** Bytes read ahead; absent until a second read follows the first. */
  window?: Window | undefined;
}

interface Window {
  readonly start: number;
  readonly end: number;
  readonly loadedAt: number;
  readonly bytes: Promise<Uint8Array>;
  /** Present once they are read. */
  loaded?: Uint8Array;
}

/**
 * Reads ahead where small reads of a file follow each other, so that many small tensors take few accesses.
 *
 * A byte that was read ahead is returned once at most, so a second pass over a file reads it again. Where
 * reading ahead fails, so does the read that asked for it, as if its range were damaged.
 */
export class ReadAhead {
  readonly #files: Pick<ModelFiles, 'readInto'>;
  readonly #ends: ReadonlyMap<string, number>;
  /** The least recently used one first. */
  #streams: Stream[] = [];

  /** @param ends offset after the last byte to read ahead, for each file */
  constructor(files: Pick<ModelFiles, 'readInto'>, ends: ReadonlyMap<string, number>) {
    this.#files = files;
    this.#ends = ends;
  }

  /** Same as `readInto` of `ModelFiles`. */
  async readInto(path: string, offset: number, target: Uint8Array): Promise<void> {
    const window = target.length > SMALL_BYTES ? undefined : this.#follow(path, offset, target.length);
    if (window === undefined) return this.#files.readInto(path, offset, target);
    const bytes = await window.bytes;
    const from = offset - window.start;
    target.set(bytes.subarray(from, from + target.length));
  }

  /** Same as `readInto`, at once. @returns false, with nothing read, for bytes that were not read ahead */
  readNow(path: string, offset: number, target: Uint8Array): boolean {
    const index = this.#find(path, offset);
    const { window } = this.#streams[index] ?? {};
    const end = offset + target.length;
    if (window?.loaded === undefined || !isUsable(window, end)) return false;
    const [stream] = this.#streams.splice(index, 1) as [Stream];
    this.#streams.push(stream);
    stream.at = end;
    target.set(window.loaded.subarray(offset - window.start, end - window.start));
    return true;
  }

  /** Call it before a write: what was read ahead of the range is read again. */
  forget(path: string, offset: number, length: number): void {
    for (const stream of this.#streams) {
      const { window } = stream;
      if (window && stream.path === path && stream.at < offset + length && offset < window.end)
        stream.window = undefined;
    }
  }

  /** Forgets all that was read ahead. */
  clear(): void {
    this.#streams = [];
  }

  /** @returns the window with a range that follows an earlier read; undefined for any other range */
  #follow(path: string, offset: number, length: number): Window | undefined {
    const index = this.#find(path, offset);
    const [stream = { path, at: offset }] = index < 0 ? [] : this.#streams.splice(index, 1);
    this.#streams.push(stream);
    if (this.#streams.length > MAX_STREAMS) this.#streams.shift();
    stream.at += length;
    if (index < 0) return undefined;
    const { window } = stream;
    if (!isUsable(window, stream.at)) {
      // A window that was used up is followed by a longer one.
      const isUsedUp = window?.end === offset;
      const bytes = isUsedUp ? Math.min(2 * (window.end - window.start), MAX_WINDOW_BYTES) : WINDOW_BYTES;
      stream.window = this.#load(path, offset, Math.max(length, bytes));
    }
    return stream.window;
  }

  /** @returns the index of the stream that a read continues; -1 if there is none */
  #find(path: string, offset: number): number {
    return this.#streams.findIndex((each) => each.at === offset && each.path === path);
  }

  /** @param most bytes; fewer at the end of the tensors */
  #load(path: string, start: number, most: number): Window {
    const buffer = new Uint8Array(Math.min(most, (this.#ends.get(path) ?? start) - start));
    const reading = this.#files.readInto(path, start, buffer);
    const bytes = reading.then(
      () => {
        window.loaded = buffer;
        return buffer;
      },
      (error: unknown) => {
        this.clear();
        throw error;
      },
    );
    const window: Window = { start, end: start + buffer.length, loadedAt: Date.now(), bytes };
    return window;
  }
}

function isUsable(window: Window | undefined, end: number): boolean {
  return window !== undefined && end <= window.end && Math.abs(Date.now() - window.loadedAt) < MAX_AGE_MS;
}
