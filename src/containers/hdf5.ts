import {
  byteLength,
  checkTensorInfos,
  compareNames,
  type Extent,
  elementCount,
  MAX_NAME_BYTES,
  MAX_RANK,
  MAX_TENSORS,
  type ModelFiles,
  openPlacedStore,
  type PlacedTensor,
  type StoredType,
  tensorOf,
  type WeightStore,
} from '../model/index.js';
import { checkApart } from './check-apart.js';
import { type FileRange, Hdf5File } from './hdf5-file.js';
import { body, MESSAGE, type Message, type ObjectHeader, readHeader } from './hdf5-header.js';
import { readLinks } from './hdf5-links.js';
import { readSuperblock } from './hdf5-superblock.js';
import { readType, typeBytes } from './hdf5-types.js';

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
