import { NeuralDiffError } from '../model/errors.js';
import type { ModelFiles } from '../model/model-files.js';
import { openPlacedStore, type PlacedStore, type PlacedTensor } from '../model/placed-store.js';
import { asBytes, byteLength, checkTensorInfos, type StoredType, tensorOf } from '../model/tensor.js';
import { decodeLatin1 } from '../model/text.js';
import { type Deflated, openInflatedFiles } from './inflate.js';
import { openZipStore, readZip, type ZipEntry } from './zip.js';

/** Bytes of a header: as many as NumPy reads by default. */
const MAX_HEADER_BYTES = 10_000;

/** The byte 0x93 and `NUMPY`. */
export const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

/** The name of an unnamed array, as in `numpy.savez`. */
const UNNAMED = 'arr_0';

/** Element types by NumPy's kind and size. */
export const TYPES: Readonly<Record<string, StoredType>> = {
  f4: { dtype: 'float32' },
  f2: { dtype: 'float16' },
  i1: { dtype: 'int8' },
  u1: { dtype: 'uint8' },
  b1: { dtype: 'uint8' },
  i4: { dtype: 'int32' },
  V2: asBytes(2),
  i2: { dtype: 'int16' },
  u2: { dtype: 'uint16' },
  u4: { dtype: 'uint32' },
  f8: { dtype: 'float64' },
  i8: { dtype: 'int64' },
  u8: { dtype: 'uint64' },
  c8: asBytes(8),
  c16: asBytes(16),
};

/**
 * The header of a numeric array, a Python dictionary; the pattern is unambiguous, so it matches in linear
 * time.
 */
const HEADER =
  /^\{ *'descr': *'([<>|=])(\w+)', *'fortran_order': *(True|False), *'shape': *\(([\d, ]*)\),? *\}\s*$/;

/**
 * Opens a NumPy array (`.npy`) as a store with one tensor, `arr_0`. Writes go to the file in place.
 *
 * Source: NumPy enhancement proposal 1, versions 1.0 to 3.0 of the format.
 *
 * @param files the folder that contains the file; closed with the store
 * @param path the file's path in the folder
 * @throws NeuralDiffError `bad-model`; `unsupported-model` for objects, big-endian numbers and Fortran order
 */
export async function openNpyStore(files: ModelFiles, path: string): Promise<PlacedStore> {
  const placed = await placeNpy(files, { path, start: 0, end: await files.size(path) }, UNNAMED);
  return openPlacedStore(files, [placed]);
}

/**
 * Opens the arrays of a NumPy archive (`.npz`) as a store.
 *
 * Writes go to the file in place; `flush` updates the archive's checksums. Arrays compressed by
 * `numpy.savez_compressed` are read-only.
 *
 * @param files the folder that contains the file; closed with the store
 * @param path the file's path in the folder
 * @throws NeuralDiffError `bad-model`; `unsupported-model` for compression other than deflate and for
 *   anything that `openNpyStore` does not support
 */
export async function openNpzStore(files: ModelFiles, path: string): Promise<PlacedStore> {
  return openNpzEntries(files, path, await readZip(files, path));
}

/** Opens the arrays among an archive's entries. */
export async function openNpzEntries(
  files: ModelFiles,
  path: string,
  entries: readonly ZipEntry[],
): Promise<PlacedStore> {
  const arrays = entries.filter(({ name }) => name.endsWith('.npy'));
  const entryOf = new Map(arrays.map((entry) => [tensorName(entry), entry]));
  const inflated = openInflatedFiles(files, deflatedOf(path, arrays));
  const tensors: PlacedTensor[] = [];
  for (const entry of arrays) tensors.push(await placeEntry(inflated, path, entry));
  checkTensorInfos(tensors);
  return openZipStore({ files: inflated, path, entryOf: (name) => entryOf.get(name) }, tensors);
}

/**
 * Locates the elements of an array.
 *
 * @param range byte range of the array in a file
 * @param name name of the tensor
 * @throws NeuralDiffError as `openNpyStore`
 */
async function placeNpy(
  files: ModelFiles,
  range: { path: string; start: number; end: number },
  name: string,
): Promise<PlacedTensor> {
  const { path, start, end } = range;
  const head = new Uint8Array(Math.min(12, end - start));
  await files.readInto(path, start, head);
  const { headBytes, headerBytes } = readHead(head, name);
  if (headerBytes > MAX_HEADER_BYTES || headBytes + headerBytes > end - start)
    throw invalid(name, `invalid header length ${headerBytes}`);
  const header = new Uint8Array(headerBytes);
  await files.readInto(path, start + headBytes, header);
  const info = tensorOf(name, ...readHeader(decodeLatin1(header), name));
  checkTensorInfos([info]);
  const offset = start + headBytes + headerBytes;
  const length = byteLength(info);
  if (end - offset !== length) throw invalid(name, `expected ${length} bytes, got ${end - offset}`);
  return { ...info, extents: [{ path, offset, length }] };
}

/** @returns whether a file that starts with these bytes is a NumPy array */
export function isNpy(head: Uint8Array): boolean {
  return MAGIC.every((byte, i) => head[i] === byte);
}

function readHead(head: Uint8Array, name: string): { headBytes: number; headerBytes: number } {
  if (!isNpy(head) || head.length < 12) throw invalid(name, 'not a NumPy array');
  const view = new DataView(head.buffer, head.byteOffset);
  const major = head[6] as number;
  if (major === 1) return { headBytes: 10, headerBytes: view.getUint16(8, true) };
  if (major === 2 || major === 3) return { headBytes: 12, headerBytes: view.getUint32(8, true) };
  throw unsupported(name, `expected format version 1 to 3, got ${major}`);
}

function readHeader(text: string, name: string): [StoredType, number[]] {
  const [whole, order, kind = '', fortran, sizes = ''] = HEADER.exec(text) ?? [];
  if (whole === undefined) throw unsupported(name, 'not a plain numeric array');
  const type = Object.hasOwn(TYPES, kind) ? TYPES[kind] : undefined;
  if (type === undefined) throw unsupported(name, `element type "${kind}"`);
  const shape = sizes.split(',').map((size) => size.trim());
  if (shape.at(-1) === '') shape.pop();
  if (!shape.every((size) => /^\d+$/.test(size))) throw invalid(name, `invalid shape (${sizes})`);
  if (order === '>') throw unsupported(name, 'big-endian numbers');
  if (fortran === 'True' && shape.filter((size) => Number(size) > 1).length > 1)
    throw unsupported(name, 'Fortran order');
  return [type, shape.map(Number)];
}

function invalid(name: string, what: string): NeuralDiffError {
  return new NeuralDiffError('bad-model', `Cannot read array "${name}": ${what}`);
}

function unsupported(name: string, what: string): NeuralDiffError {
  return new NeuralDiffError('unsupported-model', `Cannot read array "${name}": ${what}`);
}

const tensorName = ({ name }: ZipEntry): string => name.slice(0, -'.npy'.length);

/** @returns a path for an inflated entry; the NUL keeps it distinct from the folder's files */
const inflatedPath = (path: string, { name }: ZipEntry): string => `${path}\0${name}`;

function deflatedOf(path: string, entries: readonly ZipEntry[]): Map<string, Deflated> {
  const deflated = entries.flatMap((entry): [string, Deflated][] =>
    entry.isDeflated ? [[inflatedPath(path, entry), { ...entry, path }]] : [],
  );
  return new Map(deflated);
}

async function placeEntry(files: ModelFiles, path: string, entry: ZipEntry): Promise<PlacedTensor> {
  const { start, end, isDeflated } = entry;
  if (!isDeflated) return placeNpy(files, { path, start, end }, tensorName(entry));
  const range = { path: inflatedPath(path, entry), start: 0, end: entry.length };
  return { ...(await placeNpy(files, range, tensorName(entry))), isReadOnly: true };
}
