import { concatBytes } from '../model/bytes.js';
import { NeuralDiffError } from '../model/errors.js';
import type { WeightStore } from '../model/store.js';
import { byteLength, DTYPES, type TensorInfo } from '../model/tensor.js';
import { encodeUtf8 } from '../model/text.js';
import { type EncodedFile, readPieces } from './encoded-file.js';
import { MAGIC, TYPES } from './npy.js';
import { crc32 } from './zip.js';

/** Bytes and entries of an archive without the zip64 extension, which old readers lack. */
const MAX_BYTES = 2 ** 32 - 1;
const MAX_ENTRIES = 2 ** 16 - 1;

/** NumPy pads headers so that elements begin at a multiple of this. */
const ALIGNMENT = 64;

const LOCAL_BYTES = 30;
const CENTRAL_BYTES = 46;
const END_BYTES = 22;

/** General purpose flag of names in UTF-8. */
const UTF8_NAMES = 0x0800;

/** An array as an entry of the archive. */
interface Entry {
  readonly info: TensorInfo;
  readonly name: Uint8Array;
  /** The array's header. */
  readonly header: Uint8Array;
  /** Bytes of header and elements. */
  readonly length: number;
  /** Offset in the archive. */
  readonly start: number;
}

/**
 * Encodes a model as an uncompressed NumPy archive, as `numpy.savez` does: the same tensors by name, dtype,
 * shape and bytes, so the same fingerprint. Each tensor is read twice, since its checksum comes first.
 *
 * @param store the model; read while the pieces are
 * @throws NeuralDiffError `unsupported-model` for dtypes that NumPy lacks (bfloat16, float8), names with a
 *   NUL, and models that need zip64: from 4 GiB on, or of more than 65,535 tensors
 */
export function encodeNpz(store: WeightStore): EncodedFile {
  const entries: Entry[] = [];
  let start = 0;
  for (const info of store.tensors) {
    const entry = entryOf(info, start);
    entries.push(entry);
    start += LOCAL_BYTES + entry.name.length + entry.length;
  }
  const directory = entries.reduce((sum, { name }) => sum + CENTRAL_BYTES + name.length, 0);
  const bytes = start + directory + END_BYTES;
  if (bytes > MAX_BYTES || entries.length > MAX_ENTRIES)
    throw unsupported(
      `expected at most ${MAX_BYTES} bytes and ${MAX_ENTRIES} tensors, got ${bytes} and ${entries.length}; choose safetensors`,
    );
  return { bytes, pieces: piecesOf(store, entries, start) };
}

async function* piecesOf(
  store: WeightStore,
  entries: readonly Entry[],
  directoryStart: number,
): AsyncGenerator<Uint8Array> {
  const directory: Uint8Array[] = [];
  for (const entry of entries) {
    let crc = crc32(entry.header);
    for await (const piece of readPieces(store, entry.info)) crc = crc32(piece, crc);
    const fields = fieldsOf(entry, crc);
    yield concatBytes([numbers([4, 0x0403_4b50]), fields, entry.name, entry.header]);
    yield* readPieces(store, entry.info);
    const place = numbers([2, 0], [2, 0], [2, 0], [4, 0], [4, entry.start]);
    directory.push(numbers([4, 0x0201_4b50], [2, 20]), fields, place, entry.name);
  }
  const found = concatBytes(directory);
  yield found;
  const count = entries.length;
  yield numbers(
    ...([
      [4, 0x0605_4b50],
      [2, 0],
      [2, 0],
      [2, count],
      [2, count],
    ] as const),
    ...([
      [4, found.length],
      [4, directoryStart],
      [2, 0],
    ] as const),
  );
}

/** @returns the fields that both headers of an entry have, from the version to the length of extra fields */
function fieldsOf({ length, name }: Entry, crc: number): Uint8Array {
  const form = [
    [2, 20],
    [2, UTF8_NAMES],
    [2, 0],
    [2, 0],
    [2, FIRST_DATE],
  ] as const;
  return numbers(...form, [4, crc], [4, length], [4, length], [2, name.length], [2, 0]);
}

/** The first of January 1980, the earliest date of an archive: no output depends on the clock. */
const FIRST_DATE = 0x0021;

function entryOf(info: TensorInfo, start: number): Entry {
  if (info.name.includes('\0')) throw unsupported('a name with a NUL is cut by other readers');
  const header = encodeHeader(info);
  const name = encodeUtf8(`${info.name}.npy`);
  return { info, name, header, length: header.length + byteLength(info), start };
}

/** @returns the header of an array, version 1.0 */
function encodeHeader({ name, dtype, shape }: TensorInfo): Uint8Array {
  const found = Object.entries(TYPES).find(([, type]) => type.dtype === dtype && type.bytes === undefined);
  if (found === undefined) throw unsupported(`NumPy has no type for the ${dtype} of tensor "${name}"`);
  const order = DTYPES[dtype].bytes === 1 ? '|' : '<';
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const text = `{'descr': '${order}${found[0]}', 'fortran_order': False, 'shape': (${sizes}), }`;
  const before = MAGIC.length + 4;
  const length = ALIGNMENT * Math.ceil((before + text.length + 1) / ALIGNMENT) - before;
  const padded = encodeUtf8(`${text.padEnd(length - 1)}\n`);
  return concatBytes([Uint8Array.from(MAGIC), Uint8Array.of(1, 0), numbers([2, length]), padded]);
}

/** @returns whole numbers of 2 or 4 bytes each, little-endian */
function numbers(...fields: readonly (readonly [bytes: 2 | 4, value: number])[]): Uint8Array {
  const encoded = new Uint8Array(fields.reduce((sum, [bytes]) => sum + bytes, 0));
  const view = new DataView(encoded.buffer);
  let at = 0;
  for (const [bytes, value] of fields) {
    if (bytes === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += bytes;
  }
  return encoded;
}

function unsupported(what: string): NeuralDiffError {
  return new NeuralDiffError('unsupported-model', `Cannot write the model as npz: ${what}`);
}
