import {
  byteLength,
  checkTensorInfos,
  MAX_RANK,
  MAX_TENSORS,
  type ModelFiles,
  openPlacedStore,
  type PlacedTensor,
  tensorOf,
  type WeightStore,
} from '../model/index.js';
import { checkApart } from './check-apart.js';
import { GgufReader } from './gguf-reader.js';
import { typeOfGguf } from './gguf-types.js';

/** Key of what tensors are aligned to, and what that is without it. */
const ALIGNMENT_KEY = 'general.alignment';
const ALIGNMENT = 32;

/** Keys and values in front of the tensors. */
const MAX_ENTRIES = 2 ** 16;

/**
 * Opens a GGUF file as a store. Weights in blocks (`Q4_K` and its like) are tensors of bytes, a row of blocks a row. Writes go
 * to the file in place.
 *
 * Source: GGUF, versions 2 and 3, little-endian. Its sizes have the fastest dimension first; shapes here have it last.
 *
 * @param files the folder that holds it; closed with the store
 * @param path the file's name in it
 * @throws NeuralDiffError `bad-model`; `unsupported-model` for other versions and types of blocks
 */
export async function openGgufStore(files: ModelFiles, path: string): Promise<WeightStore> {
  const size = await files.size(path);
  const reader = new GgufReader(files, path, size);
  const version = await reader.begin();
  if (version !== 2 && version !== 3) throw reader.unsupported(`its version is ${version}`);
  const tensorCount = await reader.count(MAX_TENSORS, 'tensors');
  const entryCount = await reader.count(MAX_ENTRIES, 'keys');
  let alignment = ALIGNMENT;
  for (let i = 0; i < entryCount; i++) {
    const { key, value } = await reader.entry();
    if (key === ALIGNMENT_KEY) alignment = value ?? 0;
  }
  if (!(Number.isInteger(alignment) && alignment >= 8 && alignment <= 2 ** 20 && alignment % 8 === 0))
    throw reader.bad(`its tensors are aligned to ${alignment}`);
  const drafts: Draft[] = [];
  for (let i = 0; i < tensorCount; i++) drafts.push(await readTensor(reader));
  const start = alignment * Math.ceil(reader.at / alignment);
  const tensors = drafts.map(({ offset, ...info }): PlacedTensor => {
    if (offset % alignment !== 0) throw reader.bad(`tensor "${info.name}" is not aligned`);
    const extent = { path, offset: start + offset, length: byteLength(info) };
    if (extent.offset + extent.length > size) throw reader.bad(`tensor "${info.name}" lies beyond its end`);
    return { ...info, extents: [extent] };
  });
  checkTensorInfos(tensors);
  checkApart(tensors);
  return openPlacedStore(files, tensors);
}

type Draft = ReturnType<typeof tensorOf> & { offset: number };

async function readTensor(reader: GgufReader): Promise<Draft> {
  const name = await reader.text();
  const rank = await reader.number32();
  if (rank > MAX_RANK) throw reader.bad(`tensor "${name}" has ${rank} dimensions`);
  const sizes: number[] = [];
  for (let i = 0; i < rank; i++) sizes.push(await reader.number64());
  const code = await reader.number32();
  const type = typeOfGguf(code);
  if (type === undefined) throw reader.unsupported(`tensor "${name}" has type ${code}`);
  const [row = 1, ...outer] = sizes;
  if (row % type.elements !== 0) throw reader.bad(`tensor "${name}" has rows of ${row} weights`);
  const shape = type.stored ? sizes : [(row / type.elements) * type.bytes, ...outer];
  const info = tensorOf(name, type.stored ?? { dtype: 'uint8' }, shape.reverse());
  checkTensorInfos([info]);
  return { ...info, offset: await reader.number64() };
}
