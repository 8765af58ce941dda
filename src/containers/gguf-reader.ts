import { MAX_NAME_BYTES, type ModelFiles, NeuralDiffError } from '../model/index.js';
import { FileWindow } from './file-window.js';
import { decodeUtf8 } from './utf8.js';

/** Bytes of values by their type; texts are 8, arrays 9. */
const SIZES: Readonly<Record<number, number>> = {
  0: 1,
  1: 1,
  2: 2,
  3: 2,
  4: 4,
  5: 4,
  6: 4,
  7: 1,
  10: 8,
  11: 8,
  12: 8,
};
const UINT32 = 4;
const TEXT = 8;
const LIST = 9;

/** Lists within lists. */
const MAX_DEPTH = 4;

/** Reads what lies in front of the tensors of a GGUF file, value after value. */
export class GgufReader {
  readonly #file: FileWindow;
  readonly #path: string;
  readonly #size: number;
  #at = 0;

  constructor(files: ModelFiles, path: string, size: number) {
    this.#file = new FileWindow(files, { path, size });
    this.#path = path;
    this.#size = size;
  }

  /** Offset of what is read next. */
  get at(): number {
    return this.#at;
  }

  bad(what: string): NeuralDiffError {
    return new NeuralDiffError('bad-model', `Cannot read "${this.#path}" as GGUF: ${what}`);
  }

  unsupported(what: string): NeuralDiffError {
    return new NeuralDiffError('unsupported-model', `Cannot read "${this.#path}" as GGUF: ${what}`);
  }

  /** @returns the version behind the magic letters */
  async begin(): Promise<number> {
    const magic = new TextDecoder('latin1').decode(await this.#take(4));
    if (magic !== 'GGUF') throw this.bad('it does not begin as such a file');
    return this.number32();
  }

  async number32(): Promise<number> {
    const bytes = await this.#take(4);
    return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  }

  async number64(): Promise<number> {
    const bytes = await this.#take(8);
    const value = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw this.bad('a number is too large');
    return Number(value);
  }

  async count(most: number, what: string): Promise<number> {
    const count = await this.number64();
    if (count > most) throw this.bad(`it has ${count} ${what}, at most ${most} are read`);
    return count;
  }

  /** @returns a name or a key */
  async text(): Promise<string> {
    const length = await this.number64();
    if (length > MAX_NAME_BYTES) throw this.bad(`a name takes ${length} bytes`);
    const text = decodeUtf8(await this.#take(length));
    if (text === undefined) throw this.bad('a name is not UTF-8');
    return text;
  }

  /** @returns a key, and its value where that is a uint32 */
  async entry(): Promise<{ key: string; value: number | undefined }> {
    const key = await this.text();
    const type = await this.number32();
    if (type === UINT32) return { key, value: await this.number32() };
    await this.#skip(type, 0);
    return { key, value: undefined };
  }

  async #skip(type: number, depth: number): Promise<void> {
    const size = SIZES[type];
    if (size !== undefined) this.#pass(size);
    else if (type === TEXT) this.#pass(await this.number64());
    else if (type === LIST && depth < MAX_DEPTH) await this.#skipList(depth + 1);
    else throw this.bad(`a value has type ${type}`);
  }

  async #skipList(depth: number): Promise<void> {
    const type = await this.number32();
    const count = await this.number64();
    const size = SIZES[type];
    // Every element takes bytes, or a file of some bytes could ask for years.
    if (count > this.#size) throw this.bad(`a list has ${count} values`);
    if (size !== undefined) return this.#pass(size * count);
    for (let i = 0; i < count; i++) await this.#skip(type, depth);
  }

  #pass(bytes: number): void {
    if (bytes > this.#size - this.#at) throw this.bad('it ends too early');
    this.#at += bytes;
  }

  async #take(length: number): Promise<Uint8Array> {
    const start = this.#at;
    this.#pass(length);
    return this.#file.bytes(start, this.#at);
  }
}
