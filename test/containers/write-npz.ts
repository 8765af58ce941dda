import { deflateRawSync } from 'node:zlib';
import { crc32 } from '../../src/containers/zip.js';
import { concat } from '../support.js';

const encoder = new TextEncoder();
const u16 = (value: number): Uint8Array => Uint8Array.of(value, value >>> 8);
const u32 = (value: number): Uint8Array => concat(u16(value), u16(value >>> 16));

/** An entry of an archive, and what its headers say where that is not so. */
export interface EntryDraft {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** What lies in the archive: the bytes deflated unless given. */
  readonly stored?: Uint8Array;
  readonly method?: number;
  readonly flags?: number;
  readonly length?: number;
  readonly crc?: number;
  /** Whether the directory has the length in a zip64 field, as it has those from 4 GiB on. */
  readonly isLong?: boolean;
}

/** @returns a zip archive */
export function writeZip(entries: readonly EntryDraft[]): Uint8Array {
  let body: Uint8Array = new Uint8Array(0);
  let directory: Uint8Array = new Uint8Array(0);
  for (const { name, bytes, method = 8, flags = 0, ...rest } of entries) {
    const { stored = method === 8 ? new Uint8Array(deflateRawSync(bytes)) : bytes } = rest;
    const { length = bytes.length, crc = crc32(bytes) } = rest;
    const text = encoder.encode(name);
    const extra = rest.isLong ? concat(u16(1), u16(8), u32(length), u32(0)) : new Uint8Array(0);
    const form = concat(u16(20), u16(flags), u16(method), u32(0), u32(crc), u32(stored.length));
    const sizes = concat(u32(rest.isLong ? 2 ** 32 - 1 : length), u16(text.length), u16(extra.length));
    const where = concat(new Uint8Array(10), u32(body.length));
    directory = concat(directory, u32(0x02014b50), u16(20), form, sizes, where, text, extra);
    body = concat(body, u32(0x04034b50), form, u32(length), u16(text.length), u16(0), text, stored);
  }
  const count = u16(entries.length);
  const end = concat(u32(0x06054b50), u32(0), count, count, u32(directory.length), u32(body.length), u16(0));
  return concat(body, directory, end);
}

/** @returns a NumPy array of float32 */
export function npyFloats(values: Float32Array): Uint8Array {
  const header = encoder.encode(`{'descr': '<f4', 'fortran_order': False, 'shape': (${values.length},), }\n`);
  const magic = concat([0x93], encoder.encode('NUMPY'), [1, 0], u16(header.length));
  return concat(magic, header, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
}
