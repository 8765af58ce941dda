import type { ModelFiles } from './model-files.js';

/** Bytes read at once where small reads follow each other. */
const WINDOW_BYTES = 2 ** 17;

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
  /** A promise until they are read. */
  bytes: Promise<Uint8Array> | Uint8Array;
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

  /** Same as `readInto` of `ModelFiles`. @returns undefined for bytes that have been read ahead */
  read(path: string, offset: number, target: Uint8Array): Promise<void> | undefined {
    const window = target.length > SMALL_BYTES ? undefined : this.#follow(path, offset, target.length);
    if (window === undefined) return this.#files.readInto(path, offset, target);
    const from = offset - window.start;
    const copy = (bytes: Uint8Array): void => target.set(bytes.subarray(from, from + target.length));
    const { bytes } = window;
    return bytes instanceof Uint8Array ? void copy(bytes) : bytes.then(copy);
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
    const index = this.#streams.findIndex((each) => each.at === offset && each.path === path);
    const [stream = { path, at: offset }] = index < 0 ? [] : this.#streams.splice(index, 1);
    this.#streams.push(stream);
    if (this.#streams.length > MAX_STREAMS) this.#streams.shift();
    stream.at += length;
    if (index < 0) return undefined;
    if (!isUsable(stream.window, stream.at)) stream.window = this.#load(path, offset, length);
    return stream.window;
  }

  #load(path: string, start: number, length: number): Window {
    const left = (this.#ends.get(path) ?? start) - start;
    const buffer = new Uint8Array(Math.max(length, Math.min(WINDOW_BYTES, left)));
    const bytes = this.#files.readInto(path, start, buffer).then(
      () => {
        window.bytes = buffer;
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
