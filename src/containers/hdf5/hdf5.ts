import { MAX_NAME_BYTES, MAX_RANK, MAX_TENSORS } from '../../model/limits.js';
import type { ModelFiles } from '../../model/model-files.js';
import {
  type Extent,
  openPlacedStore,
  type PlacedStore,
  type PlacedTensor,
} from '../../model/placed-store.js';
import {
  asBytes,
  byteLength,
  checkTensorInfos,
  compareNames,
  elementCount,
  type StoredType,
  tensorOf,
} from '../../model/tensor.js';
import { checkApart } from '../file-window.js';
import { type FileRange, Hdf5File } from './file.js';
import { body, MESSAGE, type Message, type ObjectHeader, readHeader, readSuperblock } from './header.js';
import { readLinks } from './links.js';

/** Layout classes of datasets. */
const COMPACT = 0;
const CONTIGUOUS = 1;
const CHUNKED = 2;

/** Type of a dataspace, in version 2, without elements. */
const NULL_SPACE = 2;

/**
 * Opens the datasets of an HDF5 file, such as Keras weights, as a store.
 *
 * Tensors are named by their paths (`layers/dense/vars/0`), a dataset with several paths by the first. Writes
 * go to the file in place.
 *
 * Source: HDF5 File Format Specification, version 4.0; superblocks of versions 0 to 3, groups in all three
 * forms.
 *
 * @param files the folder that holds it; closed with the store
 * @param path the file's name in it
 * @throws NeuralDiffError `bad-model`; `unsupported-model` for datasets in chunks or other files, and strings
 */
export async function openHdf5Store(files: ModelFiles, path: string): Promise<PlacedStore> {
  return openPlacedStore(files, await placeHdf5(files, { path, start: 0, end: await files.size(path) }));
}

/**
 * Locates the datasets of an HDF5 file.
 *
 * @param range byte range of the HDF5 file, which may be an entry of an archive
 * @returns the datasets in the order of their paths, group by group
 * @throws NeuralDiffError as `openHdf5Store`
 */
export async function placeHdf5(files: ModelFiles, range: FileRange): Promise<PlacedTensor[]> {
  const file = new Hdf5File(files, range);
  const tensors: PlacedTensor[] = [];
  // Links may form cycles.
  const seen = new Set<number>();
  const pending = [{ path: '', target: await readSuperblock(file) }];
  for (let object = pending.pop(); object; object = pending.pop()) {
    const { path, target } = object;
    if (seen.has(target)) continue;
    seen.add(target);
    if (path.length > MAX_NAME_BYTES) throw file.invalid(`expected paths of at most ${MAX_NAME_BYTES} bytes`);
    if (tensors.length > MAX_TENSORS) throw file.invalid(`expected at most ${MAX_TENSORS} datasets`);
    const header = await readHeader(file, target);
    if (has(header, MESSAGE.layout)) tensors.push(await placeDataset(file, header, path));
    const links = await readLinks(file, header);
    // Reversed, since `pending` is a stack.
    links.sort((a, b) => compareNames(b.name, a.name));
    for (const [i, { name }] of links.entries()) {
      if (links[i + 1]?.name === name) throw file.invalid(`duplicate link "${name}" in group "/${path}"`);
    }
    for (const link of links)
      pending.push({ path: path === '' ? link.name : `${path}/${link.name}`, target: link.target });
  }
  checkTensorInfos(tensors);
  checkApart(tensors, file.claimed);
  return tensors;
}

async function placeDataset(file: Hdf5File, header: ObjectHeader, name: string): Promise<PlacedTensor> {
  if (has(header, MESSAGE.external)) throw file.unsupported(`dataset "${name}" is stored in other files`);
  const type = await typeOf(file, header, name);
  const info = tensorOf(name, type, await shapeOf(file, header, name));
  checkTensorInfos([info]);
  const length = byteLength(info);
  const layout = find(file, header, MESSAGE.layout);
  const view = await body(file, layout, 4);
  const [version, kind] = [view.getUint8(0), view.getUint8(1)];
  if (version < 3 || version > 5)
    throw file.unsupported(`dataset "${name}" has a layout of version ${version}`);
  file.claim(layout.start, kind === COMPACT ? 4 : layout.length);
  if (kind === COMPACT) return placeCompact(file, info, { header, layout });
  if (kind !== CONTIGUOUS) throw file.unsupported(`dataset "${name}" is ${describeLayout(kind)}`);
  const location = await body(file, layout, 18);
  const [at, bytes] = [file.address(location, 2), file.number(location, 10, 8)];
  if (elementCount(info) === 0) return { ...info, extents: [] };
  if (at === undefined) throw file.unsupported(`dataset "${name}" was never written`);
  if (bytes !== length) throw file.invalid(`expected ${length} bytes in dataset "${name}", got ${bytes}`);
  if (at + length > file.size) throw file.invalid(`dataset "${name}" exceeds the file`);
  return { ...info, extents: [extentOf(file, at, length)] };
}

/** Locates a dataset stored in its object header; it is read-only if the header has a checksum. */
async function placeCompact(
  file: Hdf5File,
  info: ReturnType<typeof tensorOf>,
  { header, layout }: { header: ObjectHeader; layout: Message },
): Promise<PlacedTensor> {
  const length = byteLength(info);
  const bytes = (await body(file, layout, 4)).getUint16(2, true);
  if (bytes !== length)
    throw file.invalid(`expected ${length} bytes in dataset "${info.name}", got ${bytes}`);
  if (length === 0) return { ...info, extents: [] };
  await body(file, layout, 4 + length);
  const extents = [extentOf(file, layout.start + 4, length)];
  return header.hasChecksum ? { ...info, extents, isReadOnly: true } : { ...info, extents };
}

function extentOf({ range }: Hdf5File, at: number, length: number): Extent {
  return { path: range.path, offset: range.start + at, length };
}

async function typeOf(file: Hdf5File, header: ObjectHeader, name: string): Promise<StoredType> {
  const message = find(file, header, MESSAGE.datatype);
  const first = (await body(file, message, 1)).getUint8(0);
  const type = readType(await body(file, message, typeBytes(first)));
  if (typeof type === 'string') throw file.unsupported(`dataset "${name}" has ${type}`);
  return type;
}

async function shapeOf(file: Hdf5File, header: ObjectHeader, name: string): Promise<number[]> {
  const message = find(file, header, MESSAGE.dataspace);
  const head = await body(file, message, 4);
  const [version, rank, kind] = [head.getUint8(0), head.getUint8(1), head.getUint8(3)];
  if (version !== 1 && version !== 2) throw file.unsupported(`a dataspace has version ${version}`);
  if (rank > MAX_RANK) throw file.invalid(`dataset "${name}" has ${rank} dimensions`);
  if (version === 2 && kind === NULL_SPACE) throw file.unsupported(`dataset "${name}" has no shape`);
  const start = version === 1 ? 8 : 4;
  const view = await body(file, message, start + 8 * rank);
  return Array.from({ length: rank }, (_, i) => file.number(view, start + 8 * i, 8));
}

function describeLayout(kind: number): string {
  if (kind === CHUNKED) return 'chunked; rewrite it as contiguous (`h5repack -f NONE -l CONTI`)';
  return 'virtual';
}

function has({ messages }: ObjectHeader, kind: number): boolean {
  return messages.some((message) => message.kind === kind);
}

function find(file: Hdf5File, { messages }: ObjectHeader, kind: number): Message {
  const message = messages.find((each) => each.kind === kind);
  if (message === undefined) throw file.invalid('a dataset without type, shape or layout');
  return message;
}

/** Bits of the type class in a datatype's first byte. */
const CLASS_BITS = 15;

/** Type classes; `OTHERS` describes the unsupported ones. */
const INTEGER = 0;
const FLOAT = 1;
const OPAQUE = 5;
const ENUMERATION = 8;
const OTHERS: Readonly<Record<number, string>> = {
  2: 'time elements',
  3: 'string elements',
  4: 'bit field elements',
  5: 'empty opaque elements',
  6: 'compound elements',
  7: 'reference elements',
  8: 'enumeration elements',
  9: 'variable-length elements',
  10: 'array elements',
  11: 'complex elements',
};

/** Integer types by their bytes, negative for signed ones. */
const INTEGERS: Readonly<Record<string, StoredType>> = {
  '1': { dtype: 'uint8' },
  '-1': { dtype: 'int8' },
  '2': { dtype: 'uint16' },
  '-2': { dtype: 'int16' },
  '4': { dtype: 'uint32' },
  '-4': { dtype: 'int32' },
  '8': { dtype: 'uint64' },
  '-8': { dtype: 'int64' },
};

/** Float types by bytes, exponent offset, exponent bits, mantissa offset, mantissa bits and bias. */
const FLOATS: Readonly<Record<string, StoredType>> = {
  '4: 23 8 0 23 127': { dtype: 'float32' },
  '2: 10 5 0 10 15': { dtype: 'float16' },
  '2: 7 8 0 7 127': { dtype: 'bfloat16' },
  '8: 52 11 0 52 1023': { dtype: 'float64' },
};

/** @returns the number of bytes of a datatype message that identify the type, by its first byte */
function typeBytes(first: number): number {
  return [12, 20][first & CLASS_BITS] ?? 8;
}

/**
 * Reads a datatype message.
 *
 * @param view the first `typeBytes` bytes of the message
 * @returns the type, or a description of an unsupported one
 */
function readType(view: DataView): StoredType | string {
  const kind = view.getUint8(0) & CLASS_BITS;
  const flags = view.getUint8(1);
  const bytes = view.getUint32(4, true);
  // Booleans are 1-byte enumerations.
  if (kind === ENUMERATION && bytes === 1) return { dtype: 'uint8' };
  if (kind === OPAQUE && bytes > 0) return bytes === 1 ? { dtype: 'uint8' } : asBytes(bytes);
  if (kind !== INTEGER && kind !== FLOAT) return OTHERS[kind] ?? `elements of class ${kind}`;
  if (bytes > 1 && (flags & 1) !== 0) return 'big-endian elements';
  const isPacked = view.getUint16(8, true) === 0 && view.getUint16(10, true) === 8 * bytes;
  const found = kind === INTEGER ? INTEGERS[flags & 8 ? -bytes : bytes] : floatOf(view, bytes);
  return isPacked && found ? found : `numbers of a non-standard format with ${bytes} bytes`;
}

function floatOf(view: DataView, bytes: number): StoredType | undefined {
  if (bytes === 1) return { dtype: 'uint8' };
  const fields = [12, 13, 14, 15].map((at) => view.getUint8(at));
  return FLOATS[`${bytes}: ${fields.join(' ')} ${view.getUint32(16, true)}`];
}
