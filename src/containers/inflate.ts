import { NeuralDiffError } from '../model/errors.js';
import type { ModelFiles } from '../model/model-files.js';
import { crc32 } from './zip.js';

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

/** Bytes that lie compressed in a file. */
export interface Deflated {
  /** The file, and the entry's name in it. */
  readonly path: string;
  readonly name: string;
  /** Where the compressed bytes lie in the file. */
  readonly start: number;
  readonly end: number;
  /** How many bytes they hold, and the CRC-32 of those. */
  readonly length: number;
  readonly crc: number;
}

/** Compressed bytes that are inflated at once: up to 1,032 times as many come out. */
const STEP_BYTES = 2 ** 12;

/** Reads compressed bytes forwards: to go back, it begins anew. */
export class InflatedEntry {
  readonly #files: ModelFiles;
  readonly #entry: Deflated;
  #inflater: Inflater | undefined;
  /** Inflated, but not read yet. */
  #rest: Uint8Array = new Uint8Array(0);
  /** Offset of what is read next. */
  #at = 0;
  #crc = 0;

  constructor(files: ModelFiles, entry: Deflated) {
    this.#files = files;
    this.#entry = entry;
  }

  /**
   * Fills all of `target` from an offset on; whoever reads the last byte has all of them checked.
   *
   * @throws NeuralDiffError `bad-model` for what does not inflate to the bytes that were declared; whatever the folder throws
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

  /** @returns the next bytes, at least one and so many at most; to be used before the next call */
  async #take(most: number): Promise<Uint8Array> {
    if (this.#rest.length === 0) this.#rest = await this.#inflate();
    if (this.#rest.length === 0) throw this.#bad(`it ends after ${this.#at} of ${this.#entry.length} bytes`);
    const part = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(part.length);
    this.#at += part.length;
    return part;
  }

  /** @returns what comes out next; nothing at the end */
  async #inflate(): Promise<Uint8Array> {
    const { length } = this.#entry;
    const bytes = await (this.#inflater as Inflater).next().catch((cause) => {
      throw cause instanceof NeuralDiffError ? cause : this.#bad('it cannot be inflated', cause);
    });
    if (this.#at + bytes.length > length) throw this.#bad(`it holds more than ${length} bytes`);
    this.#crc = crc32(bytes, this.#crc);
    return bytes;
  }

  async #finish(): Promise<void> {
    await this.#inflate();
    if (this.#crc !== this.#entry.crc) throw this.#bad('its bytes have another checksum');
    this.#stop();
  }

  #bad(what: string, cause?: unknown): NeuralDiffError {
    const { path, name } = this.#entry;
    return new NeuralDiffError('bad-model', `Cannot read "${name}" of "${path}": ${what}`, { cause });
  }
}

/** Where compressed bytes come from: the next few, none at the end; every array is given away. */
export type ReadStep = () => Promise<Uint8Array<ArrayBuffer>>;

/**
 * Inflates bytes with the runtime's own decompressor, a few at a time: runtimes differ in how far they work ahead, so it is handed
 * the next ones only when nothing of the last is left to read. Nothing is running between two calls, and a reader that is not read
 * to its end is let go of: Node 20 fails on streams that are cancelled.
 *
 * Source: DEFLATE, RFC 1951.
 */
export class Inflater {
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
   * @returns what comes out next; nothing at the end
   * @throws whatever `readStep` throws, and the runtime's own errors for what cannot be inflated
   */
  async next(): Promise<Uint8Array> {
    const read = this.#reader.read();
    let isHere = false;
    const settle = (): void => {
      isHere = true;
    };
    const settled = read.then(settle, settle);
    for (;;) {
      await Promise.race([settled, this.#written]);
      if (isHere || this.#isOver) return (await read).value ?? new Uint8Array(0);
      this.#write(await this.#readStep());
    }
  }

  #write(step: Uint8Array<ArrayBuffer>): void {
    this.#isOver = step.length === 0;
    const written = this.#isOver ? this.#writer.close() : this.#writer.write(step);
    this.#written = written.catch(() => {
      // What reads is told why.
      this.#isOver = true;
    });
  }
}
