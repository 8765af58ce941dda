import { NeuralDiffError } from '../model/errors.js';
import { CHUNK_BYTES } from '../model/limits.js';
import type { ModelFiles } from '../model/model-files.js';
import { openPlacedStore, type PlacedTensor } from '../model/placed-store.js';
import type { WeightStore } from '../model/store.js';
import { decodeUtf8 } from './file-window.js';

/** A file in an archive, stored as it is or compressed. */
export interface ZipEntry {
  readonly name: string;
  /** Where its header begins. */
  readonly head: number;
  /** Where its bytes lie in the archive, as they are stored. */
  readonly start: number;
  readonly end: number;
  /** Where the two copies of its CRC-32 lie. */
  readonly checksums: readonly number[];
  /** What is stored holds, where it is compressed: how many bytes, with what CRC-32. */
  readonly deflated?: { readonly length: number; readonly crc: number };
}

const END_BYTES = 22;
const LOCATOR_BYTES = 20;
const LOCAL_BYTES = 30;
const CENTRAL_BYTES = 46;
const MAX_COMMENT_BYTES = 65_535;

/** Bytes of a directory: some 65,536 entries with long names. */
const MAX_DIRECTORY_BYTES = 2 ** 26;

/** How entries are stored. */
const STORED = 0;
const DEFLATED = 8;

/** Bytes that one compressed byte can hold at most: four times two bits, each pair a match of 258. */
const MAX_EXPANSION = 1_032;

/** What stands for a number that is in the zip64 field. */
const ELSEWHERE = 0xffff_ffff;

/**
 * Reads the directory of a zip archive.
 *
 * Source: PKWARE's APPNOTE 6.3.10.
 *
 * @throws NeuralDiffError `bad-model`; `unsupported-model` for entries that are encrypted, streamed without compression, or compressed
 *   with anything but deflate
 */
export async function readZip(files: ModelFiles, path: string): Promise<ZipEntry[]> {
  const archive = new Archive(files, path, await files.size(path));
  const { count, start, length } = await archive.findDirectory();
  if (length > MAX_DIRECTORY_BYTES) throw archive.bad(`its directory takes ${length} bytes`);
  const directory = await archive.view(start, length);
  const entries: ZipEntry[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    const { entry, next } = await archive.readEntry(directory, at, start);
    entries.push(entry);
    at = next;
  }
  if (at !== length) throw archive.bad('its directory has another length than its entries');
  return archive.checkApart(entries, start);
}

class Archive {
  readonly #files: ModelFiles;
  readonly #path: string;
  readonly #size: number;

  constructor(files: ModelFiles, path: string, size: number) {
    this.#files = files;
    this.#path = path;
    this.#size = size;
  }

  bad(what: string): NeuralDiffError {
    return new NeuralDiffError('bad-model', `Cannot read "${this.#path}" as a zip archive: ${what}`);
  }

  async view(start: number, length: number): Promise<DataView> {
    if (start < 0 || start + length > this.#size) throw this.bad('it ends before what its directory names');
    const bytes = new Uint8Array(length);
    await this.#files.readInto(this.#path, start, bytes);
    return new DataView(bytes.buffer);
  }

  async findDirectory(): Promise<{ count: number; start: number; length: number }> {
    const tail = Math.min(this.#size, END_BYTES + MAX_COMMENT_BYTES);
    const view = await this.view(this.#size - tail, tail);
    let at = tail - END_BYTES;
    while (
      at >= 0 &&
      !(view.getUint32(at, true) === 0x06054b50 && view.getUint16(at + 20, true) === tail - END_BYTES - at)
    )
      at--;
    if (at < 0) throw this.bad('it has no directory');
    const found = {
      count: view.getUint16(at + 10, true),
      length: view.getUint32(at + 12, true),
      start: view.getUint32(at + 16, true),
    };
    if (found.count < 0xffff && found.length < ELSEWHERE && found.start < ELSEWHERE) return found;
    return this.#findLongDirectory(this.#size - tail + at);
  }

  async #findLongDirectory(end: number): Promise<{ count: number; start: number; length: number }> {
    const locator = await this.view(end - LOCATOR_BYTES, LOCATOR_BYTES);
    if (locator.getUint32(0, true) !== 0x07064b50) throw this.bad('its zip64 directory is missing');
    const record = await this.view(this.#number(locator, 8), 56);
    if (record.getUint32(0, true) !== 0x06064b50) throw this.bad('its zip64 directory is missing');
    const [count, length, start] = [32, 40, 48].map((offset) => this.#number(record, offset));
    return { count, length, start } as { count: number; start: number; length: number };
  }

  /** @param most what no honest number of the archive exceeds */
  #number(view: DataView, offset: number, most = this.#size): number {
    const value = view.getBigUint64(offset, true);
    if (value > BigInt(most)) throw this.bad('a number is larger than the archive');
    return Number(value);
  }

  /** Reads an entry of the directory and the header in front of its bytes. */
  async readEntry(view: DataView, at: number, base: number): Promise<{ entry: ZipEntry; next: number }> {
    if (at + CENTRAL_BYTES > view.byteLength || view.getUint32(at, true) !== 0x02014b50)
      throw this.bad('an entry of its directory is broken');
    const nameBytes = view.getUint16(at + 28, true);
    const extraBytes = view.getUint16(at + 30, true);
    const next = at + CENTRAL_BYTES + nameBytes + extraBytes + view.getUint16(at + 32, true);
    if (next > view.byteLength) throw this.bad('an entry of its directory is broken');
    const name = this.#text(new Uint8Array(view.buffer, at + CENTRAL_BYTES, nameBytes));
    const method = view.getUint16(at + 10, true);
    this.#checkForm(name, view.getUint16(at + 8, true), method);
    const extra = new DataView(view.buffer, at + CENTRAL_BYTES + nameBytes, extraBytes);
    const long = this.#longNumbers(
      extra,
      [at + 24, at + 20, at + 42].map((o) => view.getUint32(o, true)),
    );
    const [length, stored, header] = long as [number, number, number];
    if (method === STORED && length !== stored) throw this.bad(`"${name}" has two lengths`);
    if (length > MAX_EXPANSION * stored) throw this.bad(`"${name}" cannot hold ${length} bytes in ${stored}`);
    const local = await this.view(header, LOCAL_BYTES);
    if (local.getUint32(0, true) !== 0x04034b50) throw this.bad(`"${name}" is not where its directory says`);
    const start = header + LOCAL_BYTES + local.getUint16(26, true) + local.getUint16(28, true);
    const end = start + stored;
    if (end > this.#size) throw this.bad(`"${name}" lies beyond its end`);
    const entry = { name, head: header, start, end, checksums: [header + 14, base + at + 16] };
    if (method === STORED) return { entry, next };
    return { entry: { ...entry, deflated: { length, crc: view.getUint32(at + 16, true) } }, next };
  }

  #checkForm(name: string, flags: number, method: number): void {
    const why = [
      [(flags & 1) !== 0, 'encrypted'],
      [method !== STORED && method !== DEFLATED, `compressed with method ${method}`],
      // What is not compressed may be written, and its checksum with it, which lies behind it then.
      [(flags & 8) !== 0 && method === STORED, 'written as a stream'],
    ].find(([isSo]) => isSo);
    if (why === undefined) return;
    throw new NeuralDiffError(
      'unsupported-model',
      `Cannot read "${name}" of "${this.#path}": it is ${why[1]}`,
    );
  }

  /** Takes numbers of 64 bits from the zip64 field for those that stand elsewhere, in order. */
  #longNumbers(extra: DataView, numbers: readonly number[]): number[] {
    let at = 0;
    while (at + 4 <= extra.byteLength && extra.getUint16(at, true) !== 1)
      at += 4 + extra.getUint16(at + 2, true);
    let field = at + 4;
    return numbers.map((number) => {
      if (number !== ELSEWHERE) return number;
      if (field + 8 > extra.byteLength) throw this.bad('a zip64 field is too short');
      const value = this.#number(extra, field, MAX_EXPANSION * this.#size);
      field += 8;
      return value;
    });
  }

  #text(bytes: Uint8Array): string {
    const text = decodeUtf8(bytes);
    if (text === undefined) throw this.bad('a name is not UTF-8');
    return text;
  }

  /**
   * Bytes that two entries share would change with both, and writes over headers or the directory would destroy the archive; of two of one name,
   * readers take now this one, now that.
   */
  checkApart(entries: readonly ZipEntry[], directory: number): ZipEntry[] {
    const names = new Set<string>();
    for (const { name } of entries) {
      if (names.has(name)) throw this.bad(`"${name}" is in it twice`);
      names.add(name);
    }
    const ordered = [...entries].sort((a, b) => a.start - b.start || a.end - b.end);
    for (const [i, { name, end }] of ordered.entries()) {
      const after = ordered[i + 1];
      if (end > (after?.head ?? directory))
        throw this.bad(`"${name}" and ${after ? `"${after.name}"` : 'its directory'} overlap`);
    }
    return ordered;
  }
}

/** An archive, and the entry that each of its tensors lies in. */
export interface ZipFile {
  readonly files: ModelFiles;
  readonly path: string;
  entryOf(name: string): ZipEntry | undefined;
}

/**
 * Opens tensors that lie in a zip archive. Writes go to the file in place; `flush` brings the archive's checksums up to date. They go the
 * way of all writes, so that a journal has them too; without one, a cut before the end of `flush` may leave those of the base.
 *
 * @param archive its files are closed with the store
 * @param tensors where they lie in the archive
 */
export function openZipStore(archive: ZipFile, tensors: readonly PlacedTensor[]): WeightStore {
  const { files, path } = archive;
  const store = openPlacedStore(files, tensors);
  const changed = new Set<ZipEntry>();
  return {
    ...store,
    async write(name, byteOffset, bytes) {
      const entry = archive.entryOf(name);
      if (entry && !entry.deflated) changed.add(entry);
      await store.write(name, byteOffset, bytes);
    },
    async flush() {
      for (const entry of changed) await writeChecksums(files, path, entry);
      changed.clear();
      await store.flush();
    },
  };
}

async function writeChecksums(
  files: ModelFiles,
  path: string,
  { start, end, checksums }: ZipEntry,
): Promise<void> {
  const buffer = new Uint8Array(Math.min(CHUNK_BYTES, end - start));
  let crc = 0;
  for (let at = start; at < end; at += CHUNK_BYTES) {
    const chunk = buffer.subarray(0, Math.min(CHUNK_BYTES, end - at));
    await files.readInto(path, at, chunk);
    crc = crc32(chunk, crc);
  }
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, crc, true);
  for (const offset of checksums) await files.write(path, offset, bytes);
}

const TABLE = Uint32Array.from({ length: 256 }, (_, i) => {
  let value = i;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

/**
 * Goes on with the CRC-32 of zip archives (ISO 3309).
 *
 * @param crc of the bytes before; 0 for none
 */
export function crc32(bytes: Uint8Array, crc = 0): number {
  let state = ~crc;
  for (let i = 0; i < bytes.length; i++)
    state = (TABLE[(state ^ (bytes[i] as number)) & 0xff] as number) ^ (state >>> 8);
  return ~state >>> 0;
}
