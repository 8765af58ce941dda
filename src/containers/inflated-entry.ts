import { type ModelFiles, NeuralDiffError } from '../model/index.js';
import { crc32 } from './crc32.js';
import { Inflater } from './inflater.js';

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
