import { NeuralDiffError } from '../model/errors.js';
import { CHUNK_BYTES } from '../model/limits.js';
import type { ModelFiles } from '../model/model-files.js';
import { openPlacedStore, type PlacedStore, type PlacedTensor } from '../model/placed-store.js';
import { tryDecodeUtf8 } from '../model/text.js';

/** An entry of an archive, uncompressed or compressed with deflate. */
export interface ZipEntry {
  readonly name: string;
  /** Offset of its local header. */
  readonly head: number;
  /** Range of its stored bytes in the archive. */
  readonly start: number;
  readonly end: number;
  /** Offsets of the two copies of its CRC-32. */
  readonly checksums: readonly number[];
  /** Length and CRC-32 of its bytes, decompressed, as the directory states them. */
  readonly length: number;
  readonly crc: number;
  readonly isDeflated: boolean;
}

const END_BYTES = 22;
const LOCATOR_BYTES = 20;
const LOCAL_BYTES = 30;
const CENTRAL_BYTES = 46;
const MAX_COMMENT_BYTES = 65_535;

/** Bytes of a central directory: about 65,536 entries with long names. */
const MAX_DIRECTORY_BYTES = 2 ** 26;

/** Compression methods. */
const STORED = 0;
const DEFLATED = 8;

/** Maximum expansion of deflate: four pairs of bits per byte, each pair a match of 258 bytes. */
const MAX_EXPANSION = 1_032;

/** Placeholder for a number that is in the zip64 field. */
const IN_ZIP64 = 0xffff_ffff;

/**
 * Reads the central directory of a zip archive.
 *
 * Source: PKWARE's APPNOTE 6.3.10.
 *
 * @throws NeuralDiffError `bad-model`; `unsupported-model` for entries that are encrypted, streamed without
 *   compression, or compressed with anything but deflate
 */
export async function readZip(files: ModelFiles, path: string): Promise<ZipEntry[]> {
  const archive = new Archive(files, path, await files.size(path));
  const { count, start, length } = await archive.findDirectory();
  if (length > MAX_DIRECTORY_BYTES)
    throw archive.invalid(`expected a directory of at most ${MAX_DIRECTORY_BYTES} bytes, got ${length}`);
  const directory = await archive.view(start, length);
  const entries: ZipEntry[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    const { entry, next } = await archive.readEntry(directory, at, start);
    entries.push(entry);
    at = next;
  }
  if (at !== length) throw archive.invalid(`expected a directory of ${length} bytes, got ${at}`);
  return archive.checkApart(entries, start);
}

/** Reads the structures of a zip archive. */
class Archive {
  readonly #files: ModelFiles;
  readonly #path: string;
  readonly #size: number;

  constructor(files: ModelFiles, path: string, size: number) {
    this.#files = files;
    this.#path = path;
    this.#size = size;
  }

  invalid(what: string): NeuralDiffError {
    return new NeuralDiffError('bad-model', `Cannot read "${this.#path}" as a zip archive: ${what}`);
  }

  async view(start: number, length: number): Promise<DataView> {
    if (start < 0 || start + length > this.#size)
      throw this.invalid('central directory points past the end of the file');
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
    if (at < 0) throw this.invalid('no central directory found');
    const found = {
      count: view.getUint16(at + 10, true),
      length: view.getUint32(at + 12, true),
      start: view.getUint32(at + 16, true),
    };
    if (found.count < 0xffff && found.length < IN_ZIP64 && found.start < IN_ZIP64) return found;
    return this.#findZip64Directory(this.#size - tail + at);
  }

  async #findZip64Directory(end: number): Promise<{ count: number; start: number; length: number }> {
    const locator = await this.view(end - LOCATOR_BYTES, LOCATOR_BYTES);
    if (locator.getUint32(0, true) !== 0x07064b50) throw this.invalid('no zip64 directory found');
    const record = await this.view(this.#number(locator, 8), 56);
    if (record.getUint32(0, true) !== 0x06064b50) throw this.invalid('no zip64 directory found');
    const [count, length, start] = [32, 40, 48].map((offset) => this.#number(record, offset));
    return { count, length, start } as { count: number; start: number; length: number };
  }

  /** @param max upper bound of a valid number; the archive's size by default */
  #number(view: DataView, offset: number, max = this.#size): number {
    const value = view.getBigUint64(offset, true);
    if (value > BigInt(max)) throw this.invalid('a number is larger than the archive');
    return Number(value);
  }

  /** Reads an entry of the directory and its local header. */
  async readEntry(view: DataView, at: number, base: number): Promise<{ entry: ZipEntry; next: number }> {
    if (at + CENTRAL_BYTES > view.byteLength || view.getUint32(at, true) !== 0x02014b50)
      throw this.invalid('invalid directory entry');
    const nameBytes = view.getUint16(at + 28, true);
    const extraBytes = view.getUint16(at + 30, true);
    const next = at + CENTRAL_BYTES + nameBytes + extraBytes + view.getUint16(at + 32, true);
    if (next > view.byteLength) throw this.invalid('invalid directory entry');
    const name = this.#text(new Uint8Array(view.buffer, at + CENTRAL_BYTES, nameBytes));
    const method = view.getUint16(at + 10, true);
    this.#checkSupport(name, view.getUint16(at + 8, true), method);
    const extra = new DataView(view.buffer, at + CENTRAL_BYTES + nameBytes, extraBytes);
    const numbers = [at + 24, at + 20, at + 42].map((offset) => view.getUint32(offset, true));
    const [length, stored, header] = this.#zip64Numbers(extra, numbers) as [number, number, number];
    if (method === STORED && length !== stored)
      throw this.invalid(`"${name}" is stored with two different lengths`);
    if (length > MAX_EXPANSION * stored)
      throw this.invalid(`"${name}" cannot hold ${length} bytes in ${stored}`);
    const local = await this.view(header, LOCAL_BYTES);
    if (local.getUint32(0, true) !== 0x04034b50)
      throw this.invalid(`expected the header of "${name}" at byte ${header}`);
    const start = header + LOCAL_BYTES + local.getUint16(26, true) + local.getUint16(28, true);
    const end = start + stored;
    if (end > this.#size) throw this.invalid(`"${name}" exceeds the file`);
    const range = { name, head: header, start, end, checksums: [header + 14, base + at + 16] };
    const content = { length, crc: view.getUint32(at + 16, true), isDeflated: method === DEFLATED };
    return { entry: { ...range, ...content }, next };
  }

  #checkSupport(name: string, flags: number, method: number): void {
    const problem = [
      [(flags & 1) !== 0, 'encrypted'],
      [method !== STORED && method !== DEFLATED, `compressed with method ${method}`],
      // Its checksum follows the data, where `flush` would not update it.
      [(flags & 8) !== 0 && method === STORED, 'written as a stream'],
    ].find(([isPresent]) => isPresent);
    if (problem === undefined) return;
    const message = `Cannot read "${name}" of "${this.#path}": it is ${problem[1]}`;
    throw new NeuralDiffError('unsupported-model', message);
  }

  /** Replaces placeholders by the 64-bit numbers of the zip64 field, in order. */
  #zip64Numbers(extra: DataView, numbers: readonly number[]): number[] {
    let at = 0;
    while (at + 4 <= extra.byteLength && extra.getUint16(at, true) !== 1)
      at += 4 + extra.getUint16(at + 2, true);
    let field = at + 4;
    return numbers.map((number) => {
      if (number !== IN_ZIP64) return number;
      if (field + 8 > extra.byteLength) throw this.invalid('a zip64 field is too short');
      const value = this.#number(extra, field, MAX_EXPANSION * this.#size);
      field += 8;
      return value;
    });
  }

  #text(bytes: Uint8Array): string {
    const text = tryDecodeUtf8(bytes);
    if (text === undefined) throw this.invalid('a name is not UTF-8');
    return text;
  }

  /**
   * Checks that entries have unique names and overlap neither each other nor the directory, so that they can
   * be written independently.
   */
  checkApart(entries: readonly ZipEntry[], directory: number): ZipEntry[] {
    const names = new Set<string>();
    for (const { name } of entries) {
      if (names.has(name)) throw this.invalid(`duplicate entry "${name}"`);
      names.add(name);
    }
    const ordered = [...entries].sort((a, b) => a.start - b.start || a.end - b.end);
    for (const [i, { name, end }] of ordered.entries()) {
      const next = ordered[i + 1];
      if (end > (next?.head ?? directory))
        throw this.invalid(`"${name}" and ${next ? `"${next.name}"` : 'its directory'} overlap`);
    }
    return ordered;
  }
}

/** An archive and the entry of each of its tensors. */
interface ZipFile {
  readonly files: ModelFiles;
  readonly path: string;
  entryOf(name: string): ZipEntry | undefined;
}

/**
 * Opens tensors in a zip archive as a store. Writes go to the file in place; `flush` updates the archive's
 * checksums.
 *
 * Checksums are written like tensors, so a journal covers them; without one, a power loss before the end of
 * `flush` may leave stale checksums.
 *
 * @param archive the archive; its files are closed with the store
 * @param tensors the tensors' locations in the archive
 */
export function openZipStore(archive: ZipFile, tensors: readonly PlacedTensor[]): PlacedStore {
  const { files, path } = archive;
  const store = openPlacedStore(files, tensors);
  const changed = new Set<ZipEntry>();
  return {
    ...store,
    // Each entry that changes has two checksums.
    reserve: async ({ bytes, runs }) => store.reserve?.({ bytes, runs: runs + 2 * tensors.length }),
    async write(name, byteOffset, bytes) {
      const entry = archive.entryOf(name);
      if (entry && !entry.isDeflated) changed.add(entry);
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
 * Updates the CRC-32 of zip archives (ISO 3309).
 *
 * @param crc CRC-32 of the previous bytes; 0 for none
 */
export function crc32(bytes: Uint8Array, crc = 0): number {
  let state = ~crc;
  for (let i = 0; i < bytes.length; i++)
    state = (TABLE[(state ^ (bytes[i] as number)) & 0xff] as number) ^ (state >>> 8);
  return ~state >>> 0;
}
