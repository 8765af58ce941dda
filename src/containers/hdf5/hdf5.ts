import { MAX_NAME_BYTES, MAX_RANK, MAX_TENSORS } from '../../model/limits.js';
import type { ModelFiles } from '../../model/model-files.js';
import { type Extent, openPlacedStore, type PlacedTensor } from '../../model/placed-store.js';
import type { WeightStore } from '../../model/store.js';
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

/** Numbers of the ways in which a dataset's bytes are kept. */
const COMPACT = 0;
const CONTIGUOUS = 1;
const CHUNKED = 2;

/** Number of a dataspace, of version 2, without elements. */
const NULL_SPACE = 2;

/**
 * Opens an HDF5 file, such as the weights of Keras, as a store: its datasets, by their paths (`layers/dense/vars/0`).
 * Writes go to the file in place. A dataset of several paths has the first of them.
 *
 * Source: HDF5 File Format Specification, version 4.0; superblocks of versions 0 to 3, groups in all three forms.
 *
 * @param files the folder that holds it; closed with the store
 * @param path the file's name in it
 * @throws NeuralDiffError `bad-model`; `unsupported-model` for datasets in chunks or other files, and texts
 */
export async function openHdf5Store(files: ModelFiles, path: string): Promise<WeightStore> {
  return openPlacedStore(files, await placeHdf5(files, { path, start: 0, end: await files.size(path) }));
}

/**
 * Reads where the datasets of an HDF5 file lie.
 *
 * @param range what the file takes, in an archive too
 * @returns them in the order of their paths, group by group
 * @throws NeuralDiffError as `openHdf5Store`
 */
export async function placeHdf5(files: ModelFiles, range: FileRange): Promise<PlacedTensor[]> {
  const file = new Hdf5File(files, range);
  const tensors: PlacedTensor[] = [];
  // Links may lead in circles.
  const seen = new Set<number>();
  const pending = [{ path: '', target: await readSuperblock(file) }];
  for (let object = pending.pop(); object; object = pending.pop()) {
    const { path, target } = object;
    if (seen.has(target)) continue;
    seen.add(target);
    if (path.length > MAX_NAME_BYTES) throw file.bad(`a path takes more than ${MAX_NAME_BYTES} bytes`);
    if (tensors.length > MAX_TENSORS) throw file.bad(`it has more than ${MAX_TENSORS} datasets`);
    const header = await readHeader(file, target);
    if (has(header, MESSAGE.layout)) tensors.push(await placeDataset(file, header, path));
    const links = await readLinks(file, header);
    // What is pushed last comes first.
    links.sort((a, b) => compareNames(b.name, a.name));
    for (const link of links)
      pending.push({ path: path === '' ? link.name : `${path}/${link.name}`, target: link.target });
  }
  checkTensorInfos(tensors);
  checkApart(tensors, file.claimed);
  return tensors;
}

async function placeDataset(file: Hdf5File, header: ObjectHeader, name: string): Promise<PlacedTensor> {
  if (has(header, MESSAGE.external)) throw file.unsupported(`dataset "${name}" lies in other files`);
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
  if (kind !== CONTIGUOUS) throw file.unsupported(`dataset "${name}" is ${whyNot(kind)}`);
  const placed = await body(file, layout, 18);
  const [at, held] = [file.address(placed, 2), file.number(placed, 10, 8)];
  if (elementCount(info) === 0) return { ...info, extents: [] };
  if (at === undefined) throw file.unsupported(`dataset "${name}" has no bytes: nothing was written to it`);
  if (held !== length) throw file.bad(`dataset "${name}" has ${held} bytes, expected ${length}`);
  if (at + length > file.size) throw file.bad(`dataset "${name}" lies beyond its end`);
  return { ...info, extents: [extentOf(file, at, length)] };
}

/** Places a dataset that lies in its header, where a checksum may cover it: then it can be read only. */
async function placeCompact(
  file: Hdf5File,
  info: ReturnType<typeof tensorOf>,
  { header, layout }: { header: ObjectHeader; layout: Message },
): Promise<PlacedTensor> {
  const length = byteLength(info);
  const held = (await body(file, layout, 4)).getUint16(2, true);
  if (held !== length) throw file.bad(`dataset "${info.name}" has ${held} bytes, expected ${length}`);
  if (length === 0) return { ...info, extents: [] };
  await body(file, layout, 4 + length);
  const extents = [extentOf(file, layout.start + 4, length)];
  // The header's checksum covers them.
  return header.hasChecksum ? { ...info, extents, isReadOnly: true } : { ...info, extents };
}

function extentOf({ range }: Hdf5File, at: number, length: number): Extent {
  return { path: range.path, offset: range.start + at, length };
}

async function typeOf(file: Hdf5File, header: ObjectHeader, name: string): Promise<StoredType> {
  const message = find(file, header, MESSAGE.datatype);
  const first = (await body(file, message, 1)).getUint8(0);
  const type = readType(await body(file, message, typeBytes(first)));
  if (typeof type === 'string') throw file.unsupported(`the elements of dataset "${name}" are ${type}`);
  return type;
}

async function shapeOf(file: Hdf5File, header: ObjectHeader, name: string): Promise<number[]> {
  const message = find(file, header, MESSAGE.dataspace);
  const head = await body(file, message, 4);
  const [version, rank, kind] = [head.getUint8(0), head.getUint8(1), head.getUint8(3)];
  if (version !== 1 && version !== 2) throw file.unsupported(`a dataspace has version ${version}`);
  if (rank > MAX_RANK) throw file.bad(`dataset "${name}" has ${rank} dimensions`);
  if (version === 2 && kind === NULL_SPACE) throw file.unsupported(`dataset "${name}" has no shape`);
  const start = version === 1 ? 8 : 4;
  const view = await body(file, message, start + 8 * rank);
  return Array.from({ length: rank }, (_, i) => file.number(view, start + 8 * i, 8));
}

function whyNot(kind: number): string {
  if (kind === CHUNKED) return 'in chunks, compressed or not: write it whole (`h5repack -f NONE -l CONTI`)';
  return 'a view of others';
}

function has({ messages }: ObjectHeader, kind: number): boolean {
  return messages.some((message) => message.kind === kind);
}

function find(file: Hdf5File, { messages }: ObjectHeader, kind: number): Message {
  const message = messages.find((each) => each.kind === kind);
  if (message === undefined) throw file.bad('a dataset lacks its type or its shape');
  return message;
}

/** The class of a type in its first byte. */
const CLASS_BITS = 15;

/** Numbers of the classes of types; the texts say what those that are refused are. */
const INTEGER = 0;
const FLOAT = 1;
const OPAQUE = 5;
const ENUMERATION = 8;
const OTHERS: Readonly<Record<number, string>> = {
  2: 'times',
  3: 'texts',
  4: 'bits',
  5: 'of no bytes',
  6: 'records',
  7: 'references',
  8: 'enumerations',
  9: 'texts or lists of any length',
  10: 'arrays',
  11: 'complex numbers',
};

/** Integers by their bytes; a minus for those with a sign. */
const INTEGERS: Readonly<Record<string, StoredType>> = {
  '1': { dtype: 'uint8' },
  '-1': { dtype: 'int8' },
  '2': asBytes(2),
  '-2': asBytes(2),
  '4': asBytes(4),
  '-4': { dtype: 'int32' },
  '8': asBytes(8),
  '-8': asBytes(8),
};

/** Floats by their bytes, and the place of the exponent, its bits, the place of the mantissa, its bits, the bias. */
const FLOATS: Readonly<Record<string, StoredType>> = {
  '4: 23 8 0 23 127': { dtype: 'float32' },
  '2: 10 5 0 10 15': { dtype: 'float16' },
  '2: 7 8 0 7 127': { dtype: 'bfloat16' },
  '8: 52 11 0 52 1023': asBytes(8),
};

/** @returns how many bytes of a type's description tell what it is, by its first byte */
export function typeBytes(first: number): number {
  return [12, 20][first & CLASS_BITS] ?? 8;
}

/**
 * @param view of a type's description, of `typeBytes`
 * @returns the type, or what stands against it
 */
export function readType(view: DataView): StoredType | string {
  const kind = view.getUint8(0) & CLASS_BITS;
  const flags = view.getUint8(1);
  const bytes = view.getUint32(4, true);
  // Enumerations of a byte are booleans.
  if (kind === ENUMERATION && bytes === 1) return { dtype: 'uint8' };
  if (kind === OPAQUE && bytes > 0) return bytes === 1 ? { dtype: 'uint8' } : asBytes(bytes);
  if (kind !== INTEGER && kind !== FLOAT) return OTHERS[kind] ?? `of class ${kind}`;
  if (bytes > 1 && (flags & 1) !== 0) return 'big-endian';
  const isPacked = view.getUint16(8, true) === 0 && view.getUint16(10, true) === 8 * bytes;
  const found = kind === INTEGER ? INTEGERS[flags & 8 ? -bytes : bytes] : floatOf(view, bytes);
  return isPacked && found ? found : `numbers of a kind of their own, of ${bytes} bytes`;
}

function floatOf(view: DataView, bytes: number): StoredType | undefined {
  if (bytes === 1) return { dtype: 'uint8' };
  const fields = [12, 13, 14, 15].map((at) => view.getUint8(at));
  return FLOATS[`${bytes}: ${fields.join(' ')} ${view.getUint32(16, true)}`];
}
