import { NeuralDiffError } from '../model/errors.js';
import type { ModelFiles } from '../model/model-files.js';
import { crc32 } from './zip.js';

/** A compressed entry of a file. */
export interface Deflated {
  /** Path of the file, and the entry's name in it. */
  readonly path: string;
  readonly name: string;
  /** Range of the compressed bytes in the file. */
  readonly start: number;
  readonly end: number;
  /** Number of decompressed bytes, and their CRC-32. */
  readonly length: number;
  readonly crc: number;
}

/** Open entries, enough for concurrent readers; each holds a decompressor and its last output. */
const MAX_OPEN = 16;

/**
 * Adds read-only files to a folder that are decompressed from entries of its files.
 *
 * Sequential reads are cheap; a read at an earlier offset restarts the decompression.
 *
 * @param files the folder; closed with the returned one
 * @param deflated the compressed entries by path
 * @returns the folder with the additional files
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
      // Serialise reads: an entry is a sequential stream.
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

/** Compressed bytes inflated at a time; they expand up to 1,032 times. */
const STEP_BYTES = 2 ** 12;

/** Reads a compressed entry sequentially, and from the start again for an earlier offset. */
class InflatedEntry {
  readonly #files: ModelFiles;
  readonly #entry: Deflated;
  #inflater: Inflater | undefined;
  /** Inflated bytes that have not been read. */
  #rest: Uint8Array = new Uint8Array(0);
  /** Offset of the next byte. */
  #at = 0;
  #crc = 0;

  constructor(files: ModelFiles, entry: Deflated) {
    this.#files = files;
    this.#entry = entry;
  }

  /**
   * Fills all of `target` from an offset on. Reading the last byte checks length and CRC-32 of the entry.
   *
   * @throws NeuralDiffError `bad-model` for data that does not inflate to the declared bytes; any error of
   *   the folder
   */
  async readInto(offset: number, target: Uint8Array): Promise<void> {
    try {
      if (this.#inflater === undefined || offset < this.#at) this.#start();
      while (this.#at < offset) await this.#take(offset - this.#at);
      for (let done = 0; done < target.length; ) {
        const part = await this.#take(target.length - done);
        target.set(part, done);
        done += part.length;
      }
      if (this.#at === this.#entry.length) await this.#finish();
    } catch (error) {
      this.#stop();
      throw error;
    }
  }

  #start(): void {
    const { path, start, end } = this.#entry;
    let at = start;
    this.#stop();
    this.#inflater = new Inflater(async () => {
      const step = new Uint8Array(Math.min(STEP_BYTES, end - at));
      await this.#files.readInto(path, at, step);
      at += step.length;
      return step;
    });
  }

  #stop(): void {
    this.#inflater = undefined;
    this.#rest = new Uint8Array(0);
    this.#at = 0;
    this.#crc = 0;
  }

  /** @returns at least one and at most `max` of the next bytes, valid until the next call */
  async #take(max: number): Promise<Uint8Array> {
    if (this.#rest.length === 0) this.#rest = await this.#inflate();
    if (this.#rest.length === 0) throw this.#invalid(`expected ${this.#entry.length} bytes, got ${this.#at}`);
    const part = this.#rest.subarray(0, max);
    this.#rest = this.#rest.subarray(part.length);
    this.#at += part.length;
    return part;
  }

  /** @returns the next inflated bytes; empty at the end */
  async #inflate(): Promise<Uint8Array> {
    const { length } = this.#entry;
    const bytes = await (this.#inflater as Inflater).next().catch((cause) => {
      throw cause instanceof NeuralDiffError ? cause : this.#invalid('invalid compressed data', cause);
    });
    if (this.#at + bytes.length > length) throw this.#invalid(`expected ${length} bytes, got more`);
    this.#crc = crc32(bytes, this.#crc);
    return bytes;
  }

  async #finish(): Promise<void> {
    await this.#inflate();
    if (this.#crc !== this.#entry.crc) throw this.#invalid('the checksum does not match');
    this.#stop();
  }

  #invalid(what: string, cause?: unknown): NeuralDiffError {
    const { path, name } = this.#entry;
    return new NeuralDiffError('bad-model', `Cannot read "${name}" of "${path}": ${what}`, { cause });
  }
}

/** Supplies the next compressed bytes, none at the end; ownership of the array is transferred. */
type ReadStep = () => Promise<Uint8Array<ArrayBuffer>>;

/**
 * Inflates bytes with the runtime's `DecompressionStream`, a few at a time.
 *
 * Runtimes differ in how far they work ahead, so input is supplied only when all output has been read;
 * nothing runs between two calls. An unfinished stream is dropped instead of cancelled, since Node 20 fails
 * on cancelled streams.
 *
 * Source: DEFLATE, RFC 1951.
 */
class Inflater {
  readonly #readStep: ReadStep;
  readonly #writer: WritableStreamDefaultWriter<BufferSource>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #written: Promise<void> = Promise.resolve();
  #isOver = false;

  constructor(readStep: ReadStep) {
    const { readable, writable } = new DecompressionStream('deflate-raw');
    this.#readStep = readStep;
    this.#writer = writable.getWriter();
    this.#reader = readable.getReader();
  }

  /**
   * Inflates some more bytes.
   *
   * @returns the next bytes; empty at the end
   * @throws any error of `readStep`, and the runtime's errors for invalid data
   */
  async next(): Promise<Uint8Array> {
    const read = this.#reader.read();
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    const settled = read.then(settle, settle);
    for (;;) {
      await Promise.race([settled, this.#written]);
      if (isSettled || this.#isOver) return (await read).value ?? new Uint8Array(0);
      this.#write(await this.#readStep());
    }
  }

  #write(step: Uint8Array<ArrayBuffer>): void {
    this.#isOver = step.length === 0;
    const written = this.#isOver ? this.#writer.close() : this.#writer.write(step);
    this.#written = written.catch(() => {
      // The reader receives the same error.
      this.#isOver = true;
    });
  }
}
